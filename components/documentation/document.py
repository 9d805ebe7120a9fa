"""The stage: a prepared corpus in, its documentation out.

Out: ``card.md``, ``card.html`` (English), ``card.zh.md``, ``card.zh.html`` (Chinese), ``croissant.json``,
``facts.json`` (what all of them say, for programs) and ``data/<split>.parquet`` (the records that the Croissant
document describes, each with its digest).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.core.artefacts import Artefact
from components.core.jsonfiles import write_json
from components.core.store import StageReport
from components.documentation.card import FILES, render_card
from components.documentation.config import StageConfigs
from components.documentation.croissant import make_croissant
from components.documentation.data_files import FIELDS, write_data_files
from components.documentation.evidence import collect_facts

CROISSANT_FILE = "croissant.json"
FACTS_FILE = "facts.json"
PAGES = tuple(name for pair in FILES.values() for name in pair)


def document_corpus(
    folders: Mapping[str, Path], artefacts: Mapping[str, Artefact], configs: StageConfigs, *, out_dir: Path
) -> StageReport:
    """Document one corpus; roles as in ``collect_facts``. Raises: ContractError if the stages' reports disagree."""
    files = write_data_files(folders["splits"], out_dir)
    facts = collect_facts(folders, artefacts, configs, files=files)
    write_json(facts, out_dir / FACTS_FILE)
    for lang in FILES:
        for name, text in zip(FILES[lang], render_card(facts, lang), strict=True):
            (out_dir / name).write_text(text, encoding="utf-8")
    write_json(make_croissant(facts, FIELDS), out_dir / CROISSANT_FILE)
    summary: dict[str, object] = {
        "name": facts.declared.name,
        "purpose": facts.purpose,
        "splits": {split.name: split.records for split in facts.splits},
        "licenses": facts.license_names,
        "scrubbed": facts.scrubbing is not None,
        "quality": str(facts.quality.state),
    }
    return StageReport(rows=facts.records, summary=summary)
