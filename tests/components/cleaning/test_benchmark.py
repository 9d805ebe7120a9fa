"""The planted corpus and what the benchmark says about it, judged by a naive comparison of all pairs."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

from components.cleaning.benchmark import THRESHOLD, measure_deduplication
from components.cleaning.planted import PlantedCorpus
from components.core.corpus import read_records


def naive_set(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    tokens, size = (words, 3) if words else (re.findall("[一-鿿]", text), 5)
    return {tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}


def test_planted_copies_are_near_duplicates_and_nothing_else_is(tmp_path: Path) -> None:
    planted = PlantedCorpus(300, seed=3)
    planted.write(tmp_path)
    sets = {record["id"]: naive_set(record["text"]) for record in read_records(tmp_path)}
    assert len(sets) == 300 and sum(planted.kinds().values()) == planted.copies == 60
    similar = {
        tuple(sorted((left, right)))
        for left, right in combinations(sets, 2)
        if len(sets[left] & sets[right]) >= THRESHOLD * len(sets[left] | sets[right])
    }
    copies = {(f"b{name[1:8]}", name) for name in sets if name.startswith("c")}
    assert similar <= copies
    assert len(similar) >= 0.98 * len(copies)


def test_the_report(tmp_path: Path) -> None:
    result = measure_deduplication(tmp_path, documents=2_000, workers=1, peer_documents=400)
    ours, peer = result["ours"], result["peer"]
    assert result["bench"] == "dedup" and result["unit"] == "documents/s"
    assert ours["precision"]["value"] >= 0.98 and ours["recall"]["ci_low"] >= 0.98
    assert ours["recall"]["n"] == result["work"]["planted_copies"] == 400
    assert ours["kept"] == 2_000 - ours["precision"]["n"]
    assert peer["documents"] == 400 and result["ratio"] > 0
