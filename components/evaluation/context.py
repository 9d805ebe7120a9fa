"""What a suite may look at: the payload's models, the data folders, languages, seed. Models load on first use."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.core.corpus import Record, read_records
from components.core.errors import ContractError
from components.core.hashing import digest_files, digest_value
from components.core.jsonfiles import read_json, read_jsonl
from components.core.seeds import derive_seed

if TYPE_CHECKING:
    from components.modeling.inference import MaskedLanguageModel, TextClassifier

Detector = Callable[[str, str], Sequence[Any]]


@dataclass(frozen=True)
class EvaluationInputs:
    """Folders and files beside the payload; a suite that lacks what it needs reports no value and says why.

    Attributes:
        pretraining_splits: Splits folder the language model was trained from.
        finetuning_splits: Splits (or balanced) folder the task model was trained from.
        raw_corpora: Raw corpus folders, for their ``truth/`` and the values behind its offsets.
        validation_reports: Folders of the quality suite's reports on both corpora.
        reference_model: Model trained on other people's records, for the membership attack.
        suite_data: Suite name to its files; wins over ``data`` in the config.
        detector: Finds personal data in (text, lang) and returns its spans.
    """

    pretraining_splits: Path | None = None
    finetuning_splits: Path | None = None
    raw_corpora: tuple[Path, ...] = ()
    validation_reports: tuple[Path, ...] = ()
    reference_model: Path | None = None
    suite_data: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    detector: Detector | None = None


@dataclass(frozen=True)
class ModelFolders:
    """Where the models of a payload (or of a plain checkpoint) lie, and the digest they answer to."""

    payload_digest: str
    task_model: Path | None
    language_model: Path | None


def find_models(folder: Path) -> ModelFolders:
    """The models in a payload, a release or a plain Hugging Face checkpoint folder.

    Raises ContractError if the folder is none of these.
    """
    root = folder / "payload" if (folder / "payload" / "payload.json").is_file() else folder
    if (root / "payload.json").is_file():
        digest = digest_value(read_json(root / "payload.json"))
        return ModelFolders(digest, _existing(root / "model"), _existing(root / "language_model"))
    if not (root / "config.json").is_file():
        raise ContractError(f"{folder}: neither payload.json nor config.json; give a payload or a checkpoint folder")
    names = read_json(root / "config.json").get("architectures") or []
    digest = digest_value(digest_files(root))
    if any(name.endswith("ForSequenceClassification") for name in names):
        return ModelFolders(digest, root, None)
    if any(name.endswith(("ForPreTraining", "ForMaskedLM")) for name in names):
        return ModelFolders(digest, None, root)
    raise ContractError(
        f"{root}/config.json: architectures {names}; known are ...ForSequenceClassification, ...ForMaskedLM, "
        "...ForPreTraining"
    )


def read_text_file(path: Path) -> str:
    """The text of a UTF-8 file, plain or gzip."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")


def _existing(path: Path) -> Path | None:
    return path if path.is_dir() else None


@dataclass
class EvaluationContext:
    """One payload under measurement."""

    models: ModelFolders
    inputs: EvaluationInputs
    languages: tuple[str, ...]
    seed: int
    bootstrap_resamples: int

    @cached_property
    def classifier(self) -> TextClassifier | None:
        """The task model, or None where the payload has none."""
        from components.modeling.inference import TextClassifier

        return TextClassifier(self.models.task_model) if self.models.task_model else None

    @cached_property
    def language_model(self) -> MaskedLanguageModel | None:
        """The masked language model, or None where the payload has none."""
        from components.modeling.inference import MaskedLanguageModel

        return MaskedLanguageModel(self.models.language_model) if self.models.language_model else None

    @cached_property
    def reference_model(self) -> MaskedLanguageModel | None:
        """The model that calibrates the membership attack, or None."""
        from components.modeling.inference import MaskedLanguageModel

        folder = self.inputs.reference_model
        return MaskedLanguageModel(folder) if folder is not None else None

    def seed_for(self, *names: str | int) -> int:
        """An independent seed for a named use."""
        return derive_seed(self.seed, "evaluation", *names)

    def truth_rows(self, name: str) -> list[dict[str, Any]]:
        """Rows of ``truth/<name>`` over all raw corpora, repeated rows once; empty where there is none."""
        rows: dict[str, dict[str, Any]] = {}
        for corpus in self.inputs.raw_corpora:
            path = corpus / "truth" / name
            if path.is_file():
                rows.update((digest_value(row), row) for row in read_jsonl(path))
        return list(rows.values())

    def data_files(self, suite: str, configured: Sequence[str]) -> list[Path]:
        """The suite's own files. Raises ContractError naming the first that is missing."""
        paths = [Path(path) for path in self.inputs.suite_data.get(suite, configured)]
        for path in paths:
            if not path.exists():
                raise ContractError(f"{path}: no such file for suite {suite}; correct its data path")
        return paths

    def split_records(self, splits: Path | None, split: str) -> list[Record]:
        """Records of one split in the evaluated languages; a record without a language is kept. Empty if no splits."""
        if splits is None:
            return []
        return [record for record in read_records(splits / split) if self.speaks(record)]

    def speaks(self, record: Record) -> bool:
        """Whether a record is in one of the evaluated languages, or in none that is known."""
        return record.get("lang") is None or record["lang"] in self.languages

    def by_language(self, languages: Sequence[str | None]) -> Iterator[tuple[str, np.ndarray]]:
        """Each evaluated language with the indices of its rows."""
        array = np.array([language or "" for language in languages])
        for language in self.languages:
            yield language, np.flatnonzero(array == language)

    def sample(self, rows: Sequence[Any], limit: int | None, *names: str | int) -> list[Any]:
        """At most ``limit`` rows drawn without replacement, in their order."""
        if limit is None or len(rows) <= limit:
            return list(rows)
        random = np.random.default_rng(self.seed_for("sample", *names))
        return [rows[index] for index in np.sort(random.choice(len(rows), size=limit, replace=False))]
