"""The harm filter's side of the bargain: any object that scores a text by category will do.

Which classifier that is, the caller says; this room knows none. It is handed over as a function that makes it, since
each process makes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from components.cleaning.config import ToxicityConfig
from components.core.errors import ConfigError


class HarmScorer(Protocol):
    """Scores a text."""

    def scores(self, text: str, lang: str | None = None) -> Mapping[str, float]:
        """Category to score in [0, 1], 1 being certainly harmful."""
        ...


# Importable by name, so that a worker process can be told which one.
MakeScorer = Callable[[], HarmScorer]


def is_harmful(scorer: HarmScorer, text: str, lang: str | None, config: ToxicityConfig) -> bool:
    """Whether one of the categories that count scores above ``max_score``.

    Raises: ConfigError if a category is asked for that the scorer does not know.
    """
    scores = scorer.scores(text, lang)
    if unknown := set(config.categories or ()) - set(scores):
        raise ConfigError(
            f"cleaning.toxicity.categories: {', '.join(sorted(unknown))} unknown; known: {', '.join(sorted(scores))}"
        )
    return any(scores[name] > config.max_score for name in config.categories or scores)
