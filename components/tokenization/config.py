"""Settings of tokenizer training and encoding."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from components.core.config import StageConfig

Language = Literal["en", "zh"]

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# Presidio's entity names and ours: what redaction leaves in the text.
PLACEHOLDERS = (
    "[PERSON]",
    "[EMAIL_ADDRESS]",
    "[PHONE_NUMBER]",
    "[LOCATION]",
    "[STREET_ADDRESS]",
    "[ORGANIZATION]",
    "[DATE_TIME]",
    "[NRP]",
    "[AGE]",
    "[USERNAME]",
    "[URL]",
    "[IP_ADDRESS]",
    "[MAC_ADDRESS]",
    "[CREDIT_CARD]",
    "[IBAN_CODE]",
    "[CRYPTO]",
    "[SECRET]",
    "[CASE_NUMBER]",
    "[MEDICAL_LICENSE]",
    "[US_SSN]",
    "[US_PASSPORT]",
    "[US_DRIVER_LICENSE]",
    "[US_BANK_NUMBER]",
    "[US_ITIN]",
    "[UK_NHS]",
    "[UK_NINO]",
    "[CN_ID_CARD]",
    "[CN_PASSPORT]",
    "[CN_LICENSE_PLATE]",
    "[CN_SOCIAL_CREDIT_CODE]",
    "[CN_BANK_CARD]",
)


class TokenizerConfig(StageConfig):
    """One bilingual WordPiece vocabulary."""

    vocabulary_size: int = Field(ge=64, le=250_000, description="Tokens, special tokens and placeholders included.")
    min_frequency: int = Field(default=2, ge=1, description="Occurrences a merge must have.")
    max_alphabet_share: float = Field(
        default=0.7, gt=0, lt=1, description="Share of the vocabulary that single characters may take; rarer are [UNK]."
    )
    lowercase: bool = Field(default=True, description="Lowercase and strip accents, as uncased BERT does.")
    languages: tuple[Language, ...] = Field(default=("en", "zh"), min_length=1, description="Languages to train on.")
    max_training_documents: int | None = Field(
        default=None, ge=1, description="Documents drawn for training, by seed; None: all of them."
    )
    placeholders: tuple[str, ...] = Field(default=PLACEHOLDERS, description="Kept whole, a token each.")
    max_tokens: int = Field(default=512, ge=8, description="Longest input the tokenizer announces.")
    seed: int = Field(default=0, ge=0, description="Seed of the draw of training documents.")

    @field_validator("placeholders")
    @classmethod
    def _placeholder_form(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            name = value[1:-1]
            if value != f"[{name}]" or not name.replace("_", "").isalnum() or value in SPECIAL_TOKENS:
                raise ValueError(f"placeholder {value!r} must be a [LABEL] and no special token")
        if len(set(values)) != len(values):
            raise ValueError("placeholders repeat")
        return values

    @model_validator(mode="after")
    def _room_for_words(self) -> TokenizerConfig:
        if self.vocabulary_size <= len(SPECIAL_TOKENS) + len(self.placeholders):
            raise ValueError(
                f"vocabulary_size ({self.vocabulary_size}) leaves no room beside {len(SPECIAL_TOKENS)} special tokens "
                f"and {len(self.placeholders)} placeholders"
            )
        return self


class EncodingConfig(StageConfig):
    """Sentences and words of every split as token ids."""

    max_sentence_tokens: int = Field(
        default=126, ge=4, description="Longer sentences are cut into pieces of this size."
    )
    documents_per_batch: int = Field(default=1000, ge=1, description="Documents tokenised at a time.")
