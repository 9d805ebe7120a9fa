"""Small bilingual splits with regularities that a tiny model can learn: who does what, and how it was liked."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.core.corpus import write_records

_ENGLISH = {
    "opening": ["The nurse", "The driver", "Our teacher", "A farmer", "The engineer", "[PERSON]"],
    "verb": ["bought", "repaired", "returned", "described", "painted"],
    "thing": ["the bicycle", "a lamp", "the kettle", "an old radio", "the camera"],
    "positive": ["It works wonderfully", "The quality is excellent", "I love it"],
    "negative": ["It broke at once", "The quality is terrible", "I regret it"],
}
_CHINESE = {
    "opening": ["护士", "司机", "我们的老师", "农民", "工程师", "[PERSON]"],
    "verb": ["购买了", "修理了", "退回了", "描述了", "粉刷了"],
    "thing": ["自行车", "台灯", "水壶", "旧收音机", "照相机"],
    "positive": ["效果非常好", "质量很优秀", "我很喜欢"],
    "negative": ["马上就坏了", "质量太糟糕", "我很后悔"],
}


def make_record(index: int, *, seed: int = 0) -> dict[str, Any]:
    """A labelled record: even indices are English, odd ones Chinese; the last sentence carries the label."""
    generator = random.Random(f"{seed}/{index}")
    chinese = index % 2 == 1
    words = _CHINESE if chinese else _ENGLISH
    label = generator.choice(["negative", "positive"])
    stop, space = ("。", "") if chinese else (".", " ")
    sentences = []
    for _ in range(generator.randint(1, 3)):
        parts = [generator.choice(words[slot]) for slot in ("opening", "verb", "thing")]
        sentences.append(space.join(parts) + stop)
    sentences.append(generator.choice(words[label]) + stop)
    text = (space or "").join(sentences)
    return {"id": f"r{index:05d}", "text": text, "lang": "zh" if chinese else "en", "label": label}


def write_splits(folder: Path, sizes: Mapping[str, int] | None = None, *, seed: int = 0) -> Path:
    """A splits folder; ``sizes`` overrides how many records a split has."""
    counts = {"train": 200, "dev": 60, "test": 40, "holdout": 40} | dict(sizes or {})
    start = 0
    for name, count in counts.items():
        write_records((make_record(start + index, seed=seed) for index in range(count)), folder / name)
        start += count
    return folder
