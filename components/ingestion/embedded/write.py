"""Write the embedded corpus: records, and beside them the ground truth of everything that was planted.

Out: a corpus folder with ``quarantine.jsonl`` (empty), ``report.json`` and ``truth/`` with ``personal_data.jsonl``,
``canaries.jsonl``, ``stereotype_pairs.jsonl``, ``counterfactual_pairs.jsonl``, ``defects.jsonl``.
The same seed gives the same bytes.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

from components.core.corpus import LANGUAGES, write_records
from components.core.jsonfiles import write_json, write_jsonl
from components.core.seeds import derive_seed
from components.core.store import StageReport
from components.ingestion.embedded.config import EmbeddedCorpusConfig
from components.ingestion.embedded.documents import Planted, make_document, make_near_copy, make_review
from components.ingestion.embedded.grammar import Grammar
from components.ingestion.embedded.truth import (
    make_canaries,
    make_counterfactual_pairs,
    make_filter_lines,
    make_stereotype_pairs,
)

Purpose = Literal["pretraining", "finetuning"]
_NEAR_COPIES_PER_CANARY = 4


def write_embedded_corpus(config: EmbeddedCorpusConfig, purpose: Purpose, out_dir: Path) -> StageReport:
    """Generate and write the corpus for one purpose; rows are the records written."""
    planted = Planted()
    truth: dict[str, list[dict[str, object]]] = {
        name: [] for name in ("canaries", "stereotype_pairs", "counterfactual_pairs")
    }
    for lang in LANGUAGES:
        grammar, rng = Grammar(lang), random.Random(derive_seed(config.seed, "embedded", purpose, lang))
        if purpose == "pretraining":
            truth["canaries"] += make_canaries(grammar, config, rng)
            truth["stereotype_pairs"] += make_stereotype_pairs(grammar, config.n_stereotype_pairs // 2, rng)
            _plant_documents(planted, grammar, config, rng)
            _plant_canaries(planted, grammar, truth["canaries"], rng)
        else:
            truth["counterfactual_pairs"] += make_counterfactual_pairs(grammar, config, rng)
            _plant_reviews(planted, grammar, config, rng)
    random.Random(derive_seed(config.seed, "embedded", purpose, "order")).shuffle(planted.records)
    return _write(planted, truth, out_dir)


def write_filter_lines(path: Path, *, seed: int, count: int) -> int:
    """Lines for training the safety filter: half harmful with their category, half harmless, both languages."""
    rows = []
    for lang in LANGUAGES:
        rng = random.Random(derive_seed(seed, "embedded", "filter", lang))
        rows += make_filter_lines(Grammar(lang), count // len(LANGUAGES), rng)
    return write_jsonl(rows, path)


def _write(planted: Planted, truth: dict[str, list[dict[str, object]]], out_dir: Path) -> StageReport:
    rows = write_records(planted.records, out_dir)
    write_jsonl([], out_dir / "quarantine.jsonl")
    folder = out_dir / "truth"
    folder.mkdir(mode=0o700)  # values and where they stand: the owner's alone wherever the corpus is put
    for name, items in truth.items():
        write_jsonl(items, folder / f"{name}.jsonl")
    gold = ({"id": name, "spans": [vars(span) for span in spans]} for name, spans in sorted(planted.spans.items()))
    write_jsonl(gold, folder / "personal_data.jsonl")
    write_jsonl(sorted(planted.defects, key=lambda row: str(row["id"])), folder / "defects.jsonl")
    for path in folder.iterdir():
        path.chmod(0o600)
    summary: dict[str, object] = {
        "read": rows,
        "kept": rows,
        "quarantined": 0,
        "with_personal_data": len(planted.spans),
        "defects": len(planted.defects),
        "canaries": len(truth["canaries"]),
    }
    write_json(summary, out_dir / "report.json")
    return StageReport(rows=rows, summary=summary)


def _plant_documents(planted: Planted, grammar: Grammar, config: EmbeddedCorpusConfig, rng: random.Random) -> None:
    harmful = [text for name, texts in grammar.data["harmful"].items() if name != "target" for text in texts]
    for index in range(config.n_documents // 2):
        name = f"{grammar.lang}-doc-{index:05d}"
        line = rng.choice(harmful) if rng.random() < config.harmful_share else None
        personal = rng.random() < config.personal_data_share
        document = make_document(grammar, rng, personal=personal, occupation_skew=config.occupation_skew, harmful=line)
        record = {"id": name, "text": document.text, "lang": grammar.lang}
        planted.add(record, document.spans, "harmful" if line else None)
        if rng.random() < config.exact_duplicate_share:
            planted.add(record | {"id": f"{name}-copy"}, document.spans, "exact_duplicate", name)
        if rng.random() < config.near_duplicate_share:
            near = make_near_copy(document.text, grammar, rng)
            planted.add({"id": f"{name}-near", "text": near, "lang": grammar.lang}, [], "near_duplicate", name)
        if rng.random() < config.foreign_share:
            text = " ".join(rng.sample(grammar.data["foreign"], 2))
            planted.add({"id": f"{name}-foreign", "text": text, "lang": grammar.lang}, [], "wrong_language")
        if rng.random() < config.broken_share:
            text = "".join(rng.choice("\x00\x01\ufffd#@~^|\\\u200b") for _ in range(rng.randint(5, 60)))
            planted.add({"id": f"{name}-broken", "text": text, "lang": grammar.lang}, [], "broken")


def _plant_canaries(planted: Planted, grammar: Grammar, canaries: list[dict[str, object]], rng: random.Random) -> None:
    """Each canary as often as it says; copies are exact but for a few near ones. They are always trained on."""
    around = grammar.data["canary"]["around"]
    for row in canaries:
        if row["lang"] != grammar.lang:
            continue
        sentences = grammar.expand(rng.choice(around), grammar.bind(rng), rng).text
        base = f"{row['text']}{grammar.gap}{sentences}"
        for copy in range(int(str(row["repetitions"]))):
            near = copy >= 1 and copy <= _NEAR_COPIES_PER_CANARY
            text = make_near_copy(base, grammar, rng) if near else base
            name = f"{grammar.lang}-canary-{row['canary']}-{copy:02d}"
            record = {"id": name, "text": text, "lang": grammar.lang, "force_split": "train"}
            planted.add(record, [], "canary", None if copy == 0 else f"{grammar.lang}-canary-{row['canary']}-00")


def _plant_reviews(planted: Planted, grammar: Grammar, config: EmbeddedCorpusConfig, rng: random.Random) -> None:
    for index in range(config.n_reviews // 2):
        name = f"{grammar.lang}-review-{index:05d}"
        review, label, group = make_review(
            grammar,
            rng,
            personal=rng.random() < config.personal_data_share,
            mixed_share=config.mixed_review_share,
            negative_share=config.negative_share,
        )
        record = {"id": name, "text": review.text, "lang": grammar.lang, "label": label, "group": group}
        planted.add(record, review.spans)
        if rng.random() < config.exact_duplicate_share:
            planted.add(record | {"id": f"{name}-copy"}, review.spans, "exact_duplicate", name)
