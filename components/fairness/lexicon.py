"""Attribute terms of a language: pairs that stand for the two sides of an attribute.

The YAML files beside this module hold pairs ``[male, female]`` in sets, one-way terms that share a partner,
protected phrases and words that exempt a text. In ``sets`` every term stands once, so swapping is its own inverse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.core.errors import ConfigError

_FOLDER = Path(__file__).parent / "lexicons"

Pair = tuple[str, str]


class Lexicon(BaseModel):
    """The terms of one language."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    language: str
    groups: tuple[Pair, ...] = Field(description="Names of the two groups in the key group of a record.")
    sets: dict[str, tuple[Pair, ...]]
    one_way: dict[str, tuple[Pair, ...]] = Field(default_factory=dict, description="Term to partner, not restored.")
    protected: tuple[str, ...] = Field(default=(), description="Words and phrases that are never touched.")
    skip_if: tuple[str, ...] = Field(default=(), description="A text with one of these is left whole.")

    @model_validator(mode="after")
    def _check_unique(self) -> Self:
        counts = Counter(term for pairs in self.sets.values() for pair in pairs for term in pair)
        counts.update(term for pairs in self.one_way.values() for term, _ in pairs)
        if repeated := sorted(term for term, count in counts.items() if count > 1):
            raise ValueError(f"terms stand twice: {repeated}; a term has one partner")
        return self

    def pairs(self, attribute_sets: Iterable[str]) -> dict[str, str]:
        """Term to partner, both ways, of the named sets."""
        chosen = set(attribute_sets)
        table = {a: b for name in sorted(chosen) for a, b in self.one_way.get(name, ())}
        for name in sorted(chosen):
            for a, b in self.sets.get(name, ()):
                table[a], table[b] = b, a
        return table

    def other_group(self, group: str) -> str | None:
        """The other side of a group name, with its case; None for a name that the lexicon does not know."""
        for a, b in self.groups:
            for name, partner in ((a, b), (b, a)):
                if group.casefold() == name:
                    return _like(partner, group)
        return None


def _like(partner: str, example: str) -> str:
    if example.isupper():
        return partner.upper()
    return partner.capitalize() if example[:1].isupper() else partner


@lru_cache
def load_lexicon(language: str) -> Lexicon:
    """The lexicon that ships with the program. Raises ConfigError for a language without one."""
    path = _FOLDER / f"{language}.yaml"
    if not path.exists():
        known = sorted(file.stem for file in _FOLDER.glob("*.yaml"))
        raise ConfigError(f"fairness.languages: no lexicon for {language!r}; there are {known}")
    return read_lexicon(path)


def read_lexicon(path: Path) -> Lexicon:
    """A lexicon file of one's own. Raises ConfigError naming the file and the key."""
    try:
        return Lexicon.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error
