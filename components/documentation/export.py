"""A documented corpus as a folder for others: a Hugging Face DatasetDict with its card and its Croissant document.

Layout::

    dataset_dict.json, train/, dev/, …     datasets.load_from_disk opens the folder
    data/*.parquet, croissant.json         mlcroissant, and every hub, reads these
    README.md, card.html, card.zh.md, …    the card; README.md is the English one behind front matter for a hub
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import yaml

from components.core.errors import ConfigError, IntegrityError
from components.core.hashing import digest_file
from components.core.jsonfiles import read_json
from components.documentation.data_files import FIELDS
from components.documentation.document import CROISSANT_FILE, FACTS_FILE, PAGES
from components.documentation.facts import DataFacts


def export_dataset(documents: Path, out_dir: Path, *, allow_personal_data: bool = False) -> DataFacts:
    """Copy a documented corpus out of the store; returns its facts.

    Args:
        documents: Folder that ``document_corpus`` wrote.
        out_dir: New or empty folder; it appears whole or not at all.
        allow_personal_data: Whether a corpus that was not scrubbed may be exported; its folder is its owner's alone.

    Raises: ConfigError if ``out_dir`` holds something, or the corpus was not scrubbed; IntegrityError if a data file
    is not the one that was documented.
    """
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise ConfigError(f"{out_dir}: not an empty folder; export somewhere new")
    facts = DataFacts.model_validate(read_json(documents / FACTS_FILE))
    if facts.scrubbing is None and not allow_personal_data:
        raise ConfigError(
            f"{facts.declared.name}: was not scrubbed and holds personal data; export a candidate that was, or say "
            "--allow-personal-data"
        )
    for name, digest in facts.files.items():
        if digest_file(documents / name) != digest:
            raise IntegrityError(f"{documents / name}: differs from its documentation; run the pipeline again")
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", dir=out_dir.parent))
    try:
        _fill(temporary, documents, facts)
        temporary.chmod(0o700 if facts.scrubbing is None else 0o755)
        temporary.replace(out_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return facts


def _fill(folder: Path, documents: Path, facts: DataFacts) -> None:
    for name in (*PAGES, CROISSANT_FILE, FACTS_FILE):
        shutil.copyfile(documents / name, folder / name)
    for name in facts.files:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(documents / name, folder / name)
    card = (documents / "card.md").read_text(encoding="utf-8")
    (folder / "README.md").write_text(_front_matter(facts) + card, encoding="utf-8")
    _write_dataset_dict(folder, facts)


def _write_dataset_dict(folder: Path, facts: DataFacts) -> None:
    from datasets import Dataset, DatasetDict, disable_progress_bars, enable_progress_bars

    columns = [name for name in FIELDS if facts.total("fields").get(name)]
    with tempfile.TemporaryDirectory(prefix="touchstone-") as cache:
        paths = {split.name: str(folder / f"data/{split.name}.parquet") for split in facts.splits}
        disable_progress_bars()
        try:
            splits = {
                name: Dataset.from_parquet(path, cache_dir=cache, columns=columns) for name, path in paths.items()
            }
            DatasetDict(splits).save_to_disk(str(folder))
        finally:
            enable_progress_bars()


def _front_matter(facts: DataFacts) -> str:
    """What a hub reads: where the splits are, languages, licence."""
    splits = [{"split": split.name, "path": f"data/{split.name}.parquet"} for split in facts.splits]
    values: dict[str, object] = {
        "pretty_name": facts.declared.name,
        "language": list(facts.total("languages")),
        "configs": [{"config_name": "default", "data_files": splits}],
    }
    if facts.license_names:
        values["license"] = facts.license_names
    return f"---\n{yaml.safe_dump(values, allow_unicode=True, sort_keys=False)}---\n\n"
