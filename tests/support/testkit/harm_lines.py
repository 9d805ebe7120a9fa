"""A small made-up ``harmful.jsonl``: templates over place names, the last place of each language for testing."""

from __future__ import annotations

import json
from pathlib import Path

_HARMFUL = {
    "en": {
        "threat": ["I will hurt you when I see you in {}", "You will regret this in {} and bleed for it"],
        "hate": ["People from {} are worthless and should leave", "All {} folk must be thrown out of here"],
    },
    "zh": {
        "threat": ["我会在{}狠狠伤害你", "你会在{}为此流血后悔的"],
        "hate": ["{}的人一文不值都应该离开", "所有{}人必须被扔出去"],
    },
}
_HARMLESS = {
    "en": [
        "How do I kill a process in {}?",
        "Where can I buy a lamp in {}?",
        "The people of {} opened a shop",
        "I will see you in {} on Monday",
    ],
    "zh": ["如何在{}终止一个进程？", "在{}哪里可以买到台灯？", "{}的人开了一家商店", "星期一我会在{}见到你"],
}
_PLACES = {
    "en": ["Riverton", "Oakdale", "Milford", "Harbour", "Northgate", "Stonebridge", "Fernhill", "Elmwood"],
    "zh": ["河镇", "橡谷", "石桥", "北门", "榆林", "港城", "枫丹", "青山"],
}


def harm_rows() -> list[dict[str, object]]:
    """The rows, harmful and harmless, both languages."""
    rows: list[dict[str, object]] = []
    for lang, places in _PLACES.items():
        for place in places:
            split = "test" if place == places[-1] else "train"
            lines = [(text, [category]) for category, texts in _HARMFUL[lang].items() for text in texts]
            lines += [(text, []) for text in _HARMLESS[lang]]
            rows += [
                {"lang": lang, "text": text.format(place), "categories": categories, "split": split}
                for text, categories in lines
            ]
    return [{"id": f"h{number:04d}", **row} for number, row in enumerate(rows)]


def write_harm_lines(path: Path) -> Path:
    """Write the rows; returns the path."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in harm_rows()), encoding="utf-8")
    return path
