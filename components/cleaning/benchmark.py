"""How fast and how well near duplicates are found, measured on planted ones, beside a peer on the same texts.

Ours is the whole stage from shards on disk to shards on disk, with every process it is given; the peer (datasketch)
is its signatures and its index in memory, one process, over the first documents of the same corpus, with the same
n-grams, permutations and threshold, so the ratio leaves out its reading and writing.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from components.cleaning.clean import clean_corpus
from components.cleaning.config import CleaningConfig
from components.cleaning.filters import DropReason
from components.cleaning.planted import PlantedCorpus
from components.cleaning.shingles import TokenHasher
from components.core.corpus import read_records
from components.core.jsonfiles import read_jsonl

THRESHOLD = 0.7
_COPIES = (DropReason.NEAR_DUPLICATE.value, DropReason.EXACT_DUPLICATE.value)


def measure_deduplication(
    folder: Path,
    *,
    documents: int,
    workers: int | None,
    peer_documents: int,
    seed: int = 0,
    begins: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Plant, deduplicate and judge; ``{"bench", "ours", "peer", "ratio", "unit", "work"}``.

    Args:
        folder: Empty; about 3 GB a million documents are written into it.
        documents: Size of the corpus.
        workers: Processes; None: one a core.
        peer_documents: How many of them the peer gets; 0: no peer.
        seed: Of the corpus.
        begins: Told what begins: planting, deduplication, peer.
    """
    corpus, out = folder / "planted", folder / "clean"
    out.mkdir()
    begins("planting")
    planted = PlantedCorpus(documents, seed=seed)
    characters = planted.write(corpus)
    begins("deduplication")
    started, processor = time.perf_counter(), _processor_seconds()
    report = clean_corpus(corpus, _config(workers), out_dir=out)
    seconds = time.perf_counter() - started
    rows = [row for row in read_jsonl(out / "dropped.jsonl") if row["reason"] in _COPIES]
    ours = {
        "documents_per_second": round(documents / seconds, 1),
        "seconds": round(seconds, 1),
        "processor_seconds": round(_processor_seconds() - processor, 1),
        "peak_megabytes_main": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "peak_megabytes_worker": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "kept": report.rows,
        **_judge(((row["id"], row["of"]) for row in rows), planted.kinds()),
    }
    if peer_documents:
        begins("peer")
    peer = _measure_peer(corpus, peer_documents) if peer_documents else None
    return {
        "bench": "dedup",
        "ours": ours,
        "peer": peer,
        "ratio": round(ours["documents_per_second"] / peer["documents_per_second"], 1) if peer else None,
        "unit": "documents/s",
        "work": {
            "documents": documents,
            "characters": characters,
            "planted_copies": planted.copies,
            "threshold": THRESHOLD,
            "workers": workers,
            "seed": seed,
        },
    }


def _processor_seconds() -> float:
    """Used by this process and by those of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _config(workers: int | None) -> CleaningConfig:
    return CleaningConfig.model_validate(
        {
            "languages": ("en", "zh"),
            "normalise": "full",
            "length": None,
            "language": None,
            "quality": None,
            "exact_duplicates": "drop",
            "near_duplicates": {"threshold": THRESHOLD},
            "workers": workers,
        }
    )


def _judge(pairs: Iterable[tuple[str, str]], planted: Mapping[str, int]) -> dict[str, Any]:
    """Precision and recall over pairs found, with 95 % Wilson intervals; each planted copy makes one pair."""
    found, kinds = 0, Counter[str]()
    for left, right_id in pairs:
        found += 1
        copy, original = sorted((left, right_id), reverse=True)
        if copy.startswith("c") and original == f"b{copy[1:8]}":
            kinds[copy[9:]] += 1
    return {
        "precision": _share(kinds.total(), found),
        "recall": _share(kinds.total(), sum(planted.values())),
        "recall_by_kind": {kind: round(kinds[kind] / count, 5) for kind, count in planted.items() if count},
    }


def _share(hits: int, n: int) -> dict[str, float]:
    from scipy.stats import binomtest

    if n == 0:
        return {"value": 0.0, "ci_low": 0.0, "ci_high": 1.0, "n": 0}
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return {
        "value": round(hits / n, 5),
        "ci_low": round(float(interval.low), 5),
        "ci_high": round(float(interval.high), 5),
        "n": n,
    }


def _measure_peer(corpus: Path, documents: int) -> dict[str, Any]:
    from datasketch import MinHash, MinHashLSH

    permutations = 128
    hasher, index, pairs = TokenHasher(), MinHashLSH(threshold=THRESHOLD, num_perm=permutations), []
    records = [(record["id"], record["text"]) for record in islice(read_records(corpus), documents)]
    started, processor = time.perf_counter(), _processor_seconds()
    for identifier, text in records:
        sketch = MinHash(num_perm=permutations)
        sketch.update_batch([gram.tobytes() for gram in hasher.document(text)])
        if found := index.query(sketch):
            pairs.append((identifier, str(found[0])))
        else:
            index.insert(identifier, sketch)
    seconds = time.perf_counter() - started
    ids = {identifier for identifier, _ in records}
    both = Counter(name[9:] for name in ids if name.startswith("c") and f"b{name[1:8]}" in ids)
    return {
        "name": "datasketch",
        "version": version("datasketch"),
        "documents": len(records),
        "documents_per_second": round(len(records) / seconds, 1),
        "seconds": round(seconds, 1),
        "processor_seconds": round(_processor_seconds() - processor, 1),
        **_judge(pairs, both),
    }
