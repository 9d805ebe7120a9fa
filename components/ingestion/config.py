"""Settings of ingestion: which sources, how their columns are called, and what is too broken to keep."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from components.core.config import StageConfig
from components.ingestion.embedded.config import EmbeddedCorpusConfig

FieldName = Literal["id", "text", "lang", "label", "group", "user", "timestamp", "license"]
FIELD_NAMES: tuple[FieldName, ...] = ("id", "text", "lang", "label", "group", "user", "timestamp", "license")

Format = Literal["jsonl", "csv", "tsv", "txt", "markdown", "wikiextractor", "parquet"]
Language = Literal["en", "zh"]
SplitName = Literal["train", "dev", "test", "holdout"]

EMBEDDED = "embedded"

# YAML reads `0` and `1` as numbers; a headerless file's columns and many label sets are just that.
_Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class SourceConfig(StageConfig):
    """One source that needs more said about it than its path."""

    path: str = Field(
        min_length=1,
        description="File, folder, glob, .zip, .tar, .tar.gz, s3://bucket/key, hf://owner/name[:config][#split] or -.",
    )
    format: Literal["auto"] | Format = Field(
        default="auto", description="auto: by suffix, and WikiExtractor by its first bytes."
    )
    columns: dict[FieldName, _Text] | None = Field(
        default=None,
        description="Our field to its column; replaces ingestion.columns. Without a header: 0, 1, …",
    )
    has_header: bool = Field(default=True, description="CSV and TSV: the first line names the columns.")
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="CSV only; null: comma, else semicolon or tab if the header says so.",
    )
    encoding: Literal["utf-8", "gb18030", "big5", "latin-1", "cp1252"] = Field(
        default="utf-8", description="Encoding of a text source."
    )
    lang: Language | None = Field(default=None, description="Language of every record that names none itself.")
    license: str | None = Field(
        default=None, min_length=1, description="Licence of every record that names none itself, as SPDX writes it."
    )
    split: SplitName | None = Field(default=None, description="Ready-made split that this source is.")
    label_map: dict[_Text, str] | None = Field(
        default=None, description="Label as read to label name; replaces ingestion.label_map."
    )
    max_records: int | None = Field(default=None, ge=1, description="Keep at most this many records of the source.")
    split_documents: Literal["blank_line", "whole_file"] | None = Field(
        default=None,
        description="What ends a document; null: blank_line for txt, whole_file for markdown.",
    )
    unwrap_lines: bool = Field(default=False, description="txt, markdown: join a paragraph's hard-wrapped lines.")
    min_document_characters: int | None = Field(default=None, ge=1, description="Replaces the corpus-wide value.")
    max_document_characters: int | None = Field(default=None, ge=200, description="Replaces the corpus-wide value.")


class IngestionConfig(StageConfig):
    """Sources of one corpus, pretraining text or task data."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"workers"})

    purpose: Literal["pretraining", "finetuning"] = Field(
        default="pretraining",
        description="Which of the two corpora this is; the embedded generator asks.",
    )
    sources: tuple[str | SourceConfig, ...] = Field(
        min_length=1, description="Paths, globs, hf:// ids or objects with a path; or exactly `embedded`."
    )
    columns: dict[FieldName, _Text] = Field(default_factory=dict, description="Our field to the sources' column.")
    languages: tuple[Language, ...] = Field(min_length=1, description="Languages that must be present.")
    max_record_bytes: int = Field(
        default=1_000_000,
        ge=1_000,
        le=1_000_000_000,
        description="A longer line or record is quarantined, never held in memory.",
    )
    max_quarantined_share: float = Field(
        default=0.05, ge=0, le=1, description="Broken share of the records, or files, above which ingestion stops."
    )
    label_map: dict[_Text, str] | None = Field(
        default=None,
        description="Label as read to its name (0: negative); any other label is quarantined.",
    )
    max_records: int | None = Field(default=None, ge=1, description="Keep at most this many records in all.")
    min_document_characters: int = Field(default=1, ge=1, description="Shorter ones (stubs) are left out and counted.")
    max_document_characters: int | None = Field(
        default=None, ge=200, description="Longer ones are cut at paragraph ends into id#0, id#1, …"
    )
    workers: int = Field(
        default=1, ge=1, le=256, description="Processes that read; changes no byte of the corpus, nor its digest."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the embedded generator.")
    embedded: EmbeddedCorpusConfig | None = Field(default=None, description="The embedded generator's settings.")

    @model_validator(mode="after")
    def _check_embedded(self) -> Self:
        named = EMBEDDED in [source if isinstance(source, str) else source.path for source in self.sources]
        if named and len(self.sources) > 1:
            raise ValueError("sources: `embedded` stands alone; remove the other sources or remove `embedded`")
        if named and self.embedded is None:
            raise ValueError("sources names `embedded`, so the key `embedded` must hold the generator's settings")
        return self

    @property
    def is_embedded(self) -> bool:
        """Whether the corpus is made by the embedded generator."""
        return self.embedded is not None and self.sources == (EMBEDDED,)

    def source_configs(self) -> tuple[SourceConfig, ...]:
        """Every source as an object with the corpus-wide settings filled in."""
        sources = (SourceConfig(path=source) if isinstance(source, str) else source for source in self.sources)
        return tuple(
            source.model_copy(
                update={
                    "columns": self.columns if source.columns is None else source.columns,
                    "label_map": self.label_map if source.label_map is None else source.label_map,
                    "min_document_characters": source.min_document_characters or self.min_document_characters,
                    "max_document_characters": source.max_document_characters or self.max_document_characters,
                }
            )
            for source in sources
        )
