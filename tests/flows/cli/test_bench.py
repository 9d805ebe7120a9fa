"""``touchstone bench``: one JSON document with both sides, and a plain word where the peer or the name is missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_unknown_name_and_missing_peer_are_usage_errors(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = cli("bench", "nothing")
    assert (ended.code, "known: dedup, guard, pretrain, scrub, seal" in ended.err) == (2, True)
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    ended = cli("bench", "scrub", "--documents", "100")
    assert (ended.code, "EXTRAS=bench" in ended.err) == (2, True)


def test_scrub_beside_presidio(cli: Cli) -> None:
    """Small work, so no ratio is promised here; ours finds all and reports nothing else."""
    pytest.importorskip("presidio_analyzer")
    ended = cli("bench", "scrub", "--documents", "150", "--rounds", "1", "--json")
    assert ended.code == 0
    result = json.loads(ended.out)
    assert (result["bench"], result["unit"], result["peer"]["name"]) == ("scrub", "documents/s", "presidio-analyzer")
    assert result["ours"]["quality"]["recall"] == result["ours"]["quality"]["precision"] == 1.0
    assert result["ratio"] == pytest.approx(
        result["ours"]["documents_per_second"] / result["peer"]["documents_per_second"]
    )
    assert result["file_to_file_ratio"] > 1
    assert result["work"]["documents"] == 150
    assert 900 <= result["work"]["mean_characters"] <= 1_000


def test_dedup_beside_none(cli: Cli) -> None:
    arguments = ("bench", "dedup", "--documents", "1000", "--workers", "1", "--peer-documents", "0")
    ended = cli(*arguments, "--json")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert (result["bench"], result["peer"], result["unit"]) == ("dedup", None, "documents/s")
    assert result["ours"]["recall"]["value"] > 0.95
    assert "deduplication: done" in ended.err
    shown = cli(*arguments)
    assert (shown.code, "planted copies" in shown.out, "touchstone" in shown.out) == (0, True, True)


def test_pretrain_beside_the_trainer(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="the Trainer needs accelerate (extra bench)")
    texts = ["The letter that came on Monday has gone to the office.", "我们星期一寄出的信已经到了办公室。"]
    lines = [json.dumps({"text": f"{text} {number}"}) + "\n" for number in range(120) for text in texts]
    (tmp_path / "text.jsonl").write_text("".join(lines), encoding="utf-8")
    shape = ("--layers", "1", "--hidden", "16", "--max-tokens", "16", "--rows", "8", "--threads", "1")
    arguments = ("bench", "pretrain", "text.jsonl", *shape, "--vocabulary", "300", "--turns", "1", "--steps", "2")
    ended = cli(*arguments, "--loss-tokens", "300", "--bf16", "--json")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert (result["bench"], result["peer"]["name"]) == ("pretrain", "transformers.Trainer")
    ours, peer = result["ours"]["tokens_per_second"], result["peer"]["tokens_per_second"]
    assert result["ratio"] == pytest.approx(ours / peer, rel=0.01)
    assert result["ratios"].keys() == {"trainer", "trainer_packed", "trainer_bf16", "trainer_packed_bf16"}
    assert result["peer_packed_bf16"]["tokens_per_second"] > 0
    assert result["ours"]["heldout_loss"] > 0
    assert "held-out loss, trainer: done" in ended.err
    shown = cli(*arguments)
    assert shown.code == 0, shown.err
    assert ("Trainer full rows" in shown.out, "equal time" in shown.out) == (True, False)


def test_seal_beside_one_reading(cli: Cli) -> None:
    """Small work, so no ratio is promised here."""
    ended = cli("bench", "seal", "--megabytes", "3", "--files", "2", "--rounds", "2", "--json")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert (result["bench"], result["peer"]["name"], result["unit"]) == ("seal", "hashlib.sha256", "s")
    assert result["ratio"] == max(result["seal_ratio"]["median"], result["verify_ratio"]["median"])
    assert (result["work"]["megabytes"], result["work"]["files"], result["work"]["rounds"]) == (3, 2, 2)
    assert list(Path("home").glob("bench-*")) == []


def test_every_benchmark_explains_itself(cli: Cli) -> None:
    for name in ("dedup", "pretrain", "scrub", "seal"):
        ended = cli("bench", name, "--help")
        assert (ended.code, "--json" in ended.out, "Example: touchstone bench" in ended.out) == (0, True, True)


def test_guard_reports_both_languages(cli: Cli) -> None:
    ended = cli("bench", "guard", "--messages", "100", "--rounds", "1", "--json")
    result = json.loads(ended.out)
    assert (result["bench"], result["unit"], result["work"]["characters"]) == ("guard", "messages/s", 120)
    assert all(result["ours"][lang]["messages_per_second"] > 0 for lang in ("en", "zh"))
    assert result["ratio"] > 1
