"""Settings of the scrubbing stage."""

from __future__ import annotations

from typing import ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from components.core.config import StageConfig
from components.scrubbing.detectors.settings import DEFAULT_DETECTORS, DetectorSettings

Language = Literal["en", "zh"]
Label = Literal[
    "PERSON",
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "IBAN_CODE",
    "IP_ADDRESS",
    "URL",
    "CN_ID_CARD",
    "US_SSN",
    "CN_BANK_CARD",
    "CN_LICENSE_PLATE",
    "CN_PASSPORT",
    "CN_SOCIAL_CREDIT_CODE",
    "CASE_NUMBER",
    "CRYPTO",
    "ID_NUMBER",
    "MAC_ADDRESS",
    "MEDICAL_LICENSE",
    "SECRET",
    "UK_NHS",
    "UK_NINO",
    "USERNAME",
    "US_BANK_NUMBER",
    "US_DRIVER_LICENSE",
    "US_ITIN",
    "US_PASSPORT",
    "LOCATION",
    "STREET_ADDRESS",
    "ORGANIZATION",
    "DATE_TIME",
    "AGE",
    "NRP",
    "TITLE",
    "ZIP_CODE",
    "MONEY",
]
Policy = Literal["redact", "mask", "pseudonymize", "hash"]

LABELS: tuple[Label, ...] = get_args(Label)
# A town, a firm, a day, a people, a profession or a sum is nobody's by itself, and text without them says little.
CONTEXT_LABELS: frozenset[Label] = frozenset({"LOCATION", "ORGANIZATION", "DATE_TIME", "NRP", "TITLE", "MONEY"})
# What points at a person, and therefore goes from training text unless the config says otherwise.
PERSONAL_LABELS: tuple[Label, ...] = tuple(label for label in LABELS if label not in CONTEXT_LABELS)


class ScrubbingConfig(StageConfig):
    """What counts as personal data, and what stands in its place."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"workers", "cluster"})

    languages: tuple[Language, ...] = Field(min_length=1, description="Languages whose context rules are applied.")
    labels: tuple[Label, ...] = Field(
        default=PERSONAL_LABELS,
        min_length=1,
        description="Kinds of personal data that are replaced; unsaid, all but what only together tell of a person: "
        "LOCATION, ORGANIZATION, DATE_TIME, NRP, TITLE, MONEY.",
    )
    policy: Policy = Field(
        description="redact: [LABEL]. mask: as many asterisks as characters. hash: [LABEL:digest] keyed by a secret, "
        "so that equal values stay equal. pseudonymize: a value of the same kind and format that is nobody's, the "
        "same one for the same person."
    )
    min_score: float = Field(
        ge=0, le=1, description="Spans scored below this stay; 0 keeps every guess, 1 only proofs."
    )
    allow: tuple[str, ...] = Field(
        default=(), description="Values that are not personal here (a support address), compared without case."
    )
    deny: dict[Label, tuple[str, ...]] = Field(
        default_factory=dict, description="Values that are always replaced, a list a label, compared without case."
    )

    workers: int = Field(default=1, ge=1, le=256, description="Processes; never changes a byte of the output.")
    cluster: str | None = Field(
        default=None,
        description="Ray cluster to run the shards on: `local` starts one, else its address (ray://host:10001). "
        "Needs the extra `cluster`.",
    )
    probes_per_label: int = Field(
        default=40, ge=0, le=10_000, description="Values planted a label and language to measure what is missed."
    )
    detectors: tuple[DetectorSettings, ...] = Field(
        default=DEFAULT_DETECTORS,
        description="What finds names, places and the like, beside the patterns: tagger, rules, presidio, spacy, "
        "transformers; each is kind and its own settings. Empty: patterns only.",
    )

    @field_validator("languages", "labels")
    @classmethod
    def _refuse_repeats(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError(f"each value once, not {list(values)}")
        return values

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        if unknown := sorted(set(self.deny) - set(self.labels)):
            raise ValueError(f"deny names {unknown}, which labels does not; add them to labels or drop them from deny")
        if not all(value.strip() for value in (*self.allow, *(v for values in self.deny.values() for v in values))):
            raise ValueError("allow and deny hold an empty value, which would match everywhere; drop it")
        return self
