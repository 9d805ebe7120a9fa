"""Train the tagger and measure it: what ``touchstone train-tagger`` does.

Measured by cross-validation: presidio-research by template, tab-spia by document, weibo-ner by post; a fold's
documents, and everything made of them, stay out of the training of the model that is measured on them.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components.core.hashing import digest_value
from components.scrubbing.spans import Span
from components.scrubbing.tagger.artifact import save
from components.scrubbing.tagger.features import Lexicon
from components.scrubbing.tagger.model import Tagger, as_parameters
from components.scrubbing.tagger.training.corpora import RESEARCH_FILE
from components.scrubbing.tagger.training.documents import Document
from components.scrubbing.tagger.training.evaluate import FOLD_SETS, Findings, findings_of, measure, read_measured
from components.scrubbing.tagger.training.export import export, fit_gate
from components.scrubbing.tagger.training.fit import TrainingConfig, encode, train
from components.scrubbing.tagger.training.lexicon import build_lexicon
from components.scrubbing.tagger.training.recipe import LIBRARIES, LICENCES, Materials, digest_sets, gather, mix
from components.scrubbing.tagger.training.research import all_detectors, read_research, research_figures
from components.scrubbing.tagger.training.scripts import fold_table
from components.scrubbing.tagger.types_table import TypeTable

logger = logging.getLogger(__name__)

_TRAINING_SHARE = 0.6
COMMAND = "touchstone train-tagger --data DATA"


def train_tagger(
    data: Path, out_dir: Path, config: TrainingConfig, *, folds: int, recall_bias: float
) -> dict[str, Any]:
    """Train on all sets under ``data`` and write weights and card to ``out_dir``; returns the card.

    ``folds`` 0: no cross-validation, and no figures in the card.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    digests = digest_sets(data)
    started = time.process_time()
    materials = gather(data, seed=config.seed, n_templates=config.n_templates)
    figures = cross_validate(data, materials, config, folds=folds, recall_bias=recall_bias) if folds else {}
    measured = time.process_time()
    tensors, gate = fit_tensors(materials, config, fold=None, folds=folds)
    logger.info("trained in %.0f s of CPU, measured in %.0f s", time.process_time() - measured, measured - started)
    card = {
        "command": f"{COMMAND} --seed {config.seed} --folds {folds}",
        "gate_threshold": gate["gate_threshold"],
        "recall_bias": recall_bias,
        "training": asdict(config),
        "gate": {key: round(value, 4) for key, value in gate.items()},
        "sets": {name: {"licence": LICENCES[name], "sha256": digest_value(digests[name])} for name in LICENCES},
        "generated": ["templates of this package", "the embedded corpus of this package"],
        "libraries": {name: {"version": version(name), "licence": licence} for name, licence in LIBRARIES.items()},
        "made_with": made_with(),
        "figures": figures,
    }
    save(tensors, card, out_dir)
    return card


def made_with() -> dict[str, str]:
    """Versions of the libraries that computed the weights, as plain strings that YAML knows."""
    return {"torch": str(torch.__version__), "numpy": str(np.__version__)}


def fold_of(document: Document, folds: int) -> int:
    """The fold of a document, by its group, so that a template is never on both sides."""
    return zlib.crc32(f"{document.source}/{document.group}".encode()) % folds


def fit_tensors(
    materials: Materials, config: TrainingConfig, *, fold: int | None, folds: int
) -> tuple[dict[str, NDArray[np.generic]], dict[str, float]]:
    """Arrays of a tagger trained without ``fold`` (None: on everything), and what is known of its gate."""

    def held(document: Document) -> bool:
        return fold is not None and document.source in FOLD_SETS and fold_of(document, folds) == fold

    def lexicon(share: float) -> Lexicon:
        return build_lexicon(materials.cases, materials.names, materials.words, share=share, seed=config.seed)

    folded = fold_table()
    seen = lexicon(_TRAINING_SHARE)
    documents = mix(materials, seed=config.seed, held=held)
    encoded = encode(documents, TypeTable(seen, folded, config.table_size), seen, config.table_size)
    logger.info("%d documents, %d tokens", len(documents), len(encoded.types_T))
    network = train(encoded, config)
    gate = fit_gate(network, encoded, config)
    about = {"gate_threshold": gate.threshold, "open_share": gate.open_share, "recall": gate.recall}
    return export(network, gate, lexicon(1.0), folded), about


def cross_validate(
    data: Path, materials: Materials, config: TrainingConfig, *, folds: int, recall_bias: float
) -> dict[str, Any]:
    """Figures of the sets that are trained on, each document by the model that did not see it."""
    findings: list[Findings] = []
    research = read_research(data / "presidio-research" / RESEARCH_FILE)
    everything: list[tuple[Document, Sequence[Span]]] = []
    for fold in range(folds):
        tensors, about = fit_tensors(materials, replace(config), fold=fold, folds=folds)
        tagger = Tagger(as_parameters(tensors, about["gate_threshold"]))
        for name in FOLD_SETS:
            documents = [doc for doc in materials.sets[name] if fold_of(doc, folds) == fold]
            findings.append(findings_of(name, documents, tagger, recall_bias))
        rows = [doc for doc in research if fold_of(doc, folds) == fold]
        engine = all_detectors(tagger, recall_bias=recall_bias)
        everything += zip(rows, engine.detect_many([doc.text for doc in rows], ["en"] * len(rows)), strict=True)
        if fold == 0:
            findings += [findings_of(name, docs, tagger, recall_bias) for name, docs in read_measured(data).items()]
        logger.info("fold %d of %d measured", fold + 1, folds)
    return measure(findings, data, folds=folds) | {"presidio-research, all detectors": research_figures(everything)}
