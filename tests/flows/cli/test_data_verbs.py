"""``drift``, ``monitor`` and ``export --data``: exit codes and what is printed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

LIMITS = ["--set", "drift.min_rows=60", "--set", "drift.max_topic_distance=0.6"]
WORDS = ["kettle", "lamp", "radio", "box", "works", "well", "today", "shop", "price", "colour"]


def write(path: Path, n: int, *, seed: int, length: int = 10, words: list[str] = WORDS) -> str:
    rng = random.Random(seed)
    rows = ({"id": f"{seed}-{i}", "lang": "en", "text": " ".join(rng.choice(words) for _ in range(length + i % 5))}
            for i in range(n))  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_drift_passes_fails_and_is_not_judged(cli: Any, tmp_path: Path) -> None:
    base = write(tmp_path / "base.jsonl", 300, seed=1)
    same = cli("drift", write(tmp_path / "same.jsonl", 300, seed=2), "--reference", base, "--json", *LIMITS)
    assert (same.code, json.loads(same.out)["state"]) == (0, "no_drift")
    far = write(tmp_path / "far.jsonl", 300, seed=3, length=30, words=[*WORDS, "alpha", "beta", "gamma"])
    moved = cli("drift", far, "--reference", base, "--json", "--report", str(tmp_path / "out"), *LIMITS)
    assert (moved.code, json.loads(moved.out)["state"]) == (1, "drift")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"evidently.html", "report.html", "report.json"}
    few = cli("drift", write(tmp_path / "few.jsonl", 20, seed=4), "--reference", base, *LIMITS)
    assert few.code == 1
    assert "min_rows asks for 60" in few.out


def test_drift_refuses_what_is_empty_or_missing(cli: Any, tmp_path: Path) -> None:
    base = write(tmp_path / "base.jsonl", 100, seed=1)
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    for source in ("empty.jsonl", "missing.jsonl"):
        ended = cli("drift", source, "--reference", base)
        assert ended.code == 2
        assert source in ended.err
        assert len(ended.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["monitor"], "--max-blocked-share"),
        (["monitor", "--retrain", "--max-blocked-share", "0.1"], "--retrain"),
        (["monitor", "x.jsonl", "--profile", "nope"], "nope"),
        (["export", "clean", "out", "--data", "testing"], "--data testing"),
        (["export", "clean", "out", "--data", "finetuning"], "clean"),
        (["export", "clean", "out", "--allow-personal-data"], "--data"),
    ],
)
def test_usage_errors(cli: Any, arguments: list[str], words: str) -> None:
    ended = cli(*arguments)
    assert ended.code == 2
    assert words in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_monitor_judges_served_decisions(cli: Any, tmp_path: Path) -> None:
    logs = tmp_path / "home" / "logs"
    logs.mkdir(parents=True)
    (logs / "decisions-demo.jsonl").write_text('{"action": "allow"}\n' * 500, encoding="utf-8")
    calm = cli("monitor", "--max-blocked-share", "0.02", "--json")
    assert (calm.code, json.loads(calm.out)["harm"]["state"]) == (0, "pass")
    (logs / "decisions-demo.jsonl").write_text('{"action": "block"}\n' * 50, encoding="utf-8")
    harmful = cli("monitor", "--max-blocked-share", "0.02")
    assert harmful.code == 1
    assert "fail" in harmful.out
