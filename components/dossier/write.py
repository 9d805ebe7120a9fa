"""The folder of a promoted release's documents: written whole or not at all.

    index.html, index.zh.html            decision, digests, approvals, every check, and the way to each document
    scorecard.*, model-card.*            Markdown and HTML, English and Chinese (``.zh``)
    data/<purpose>/                      data card and Croissant document, where the data is documented
    ml-bom.cdx.json                      CycloneDX 1.6 machine-learning bill of materials
    compliance.*, threat-model.*         HTML, English and Chinese

Pages fetch nothing and run nothing, so they open from a disk without a network.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from components.core.jsonfiles import write_json
from components.documentation.words import Lang
from components.dossier.bom import bom_file, make_bom
from components.dossier.facts import DossierFacts
from components.dossier.pages import DATA_FILES, compliance_page, index_page, markdown_page, threat_page
from components.gates.scorecard import render_scorecard
from components.release.cards import CardFacts, model_card

LANGUAGES: tuple[Lang, ...] = ("en", "zh")


def write_dossier(facts: DossierFacts, out_dir: Path) -> Path:
    """Write every document, replacing what stood there; returns the folder."""
    temporary = out_dir.with_name(f".{out_dir.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        _fill(facts, temporary)
        shutil.rmtree(out_dir, ignore_errors=True)
        temporary.replace(out_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out_dir


def _fill(facts: DossierFacts, folder: Path) -> None:
    for purpose, documents in facts.data.items():
        target = folder / "data" / purpose
        target.mkdir(parents=True)
        for name in DATA_FILES:
            shutil.copyfile(documents / name, target / name)
    write_json(make_bom(facts), bom_file(folder))
    card = CardFacts(facts.manifest, facts.evidence, facts.verdict, facts.provenance)
    for lang in LANGUAGES:
        suffix = _suffix(lang)
        texts = {
            "scorecard": render_scorecard(facts.verdict, language=lang, evidence=facts.evidence),
            "model-card": model_card(card, lang),
        }
        for name, text in texts.items():
            (folder / f"{name}{suffix}.md").write_text(text, encoding="utf-8")
            (folder / f"{name}{suffix}.html").write_text(markdown_page(name, text, lang), encoding="utf-8")
        pages = {"compliance": compliance_page, "threat-model": threat_page, "index": index_page}
        for name, render in pages.items():
            (folder / f"{name}{suffix}.html").write_text(render(facts, lang), encoding="utf-8")


def _suffix(lang: Lang) -> str:
    return "" if lang == "en" else ".zh"
