"""``touchstone bench``: one JSON document with both sides, and a plain word where the peer or the name is missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_unknown_name_and_missing_peer_are_usage_errors(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = cli("bench", "nothing")
    assert (ended.code, "known: scrub" in ended.err) == (2, True)
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
