"""The filter that ships with the program, for use without a model.

``default/`` holds a filter folder as ``train_filter`` writes it, from the embedded harmful lines. Where it has not
been trained yet, the rules judge alone with the policy below.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from components.safety.config import Category
from components.safety.filter import FilterSettings, SafetyFilter
from components.safety.rules import RuleSet, load_lexicons
from components.safety.training import RULES_DIR
from components.scrubbing.config import LABELS, ScrubbingConfig

DEFAULT_DIR = Path(__file__).parent / "default"

REFUSALS = {
    "en": "I can't help with that request.",
    "zh": "抱歉，我无法协助处理这个请求。",
}


def default_filter() -> SafetyFilter:
    """The shipped filter: rules, and the classifier where ``default/`` holds one."""
    if (DEFAULT_DIR / "filter.json").exists():
        return SafetyFilter.load(DEFAULT_DIR)
    categories: tuple[Category, ...] = get_args(Category)
    settings = FilterSettings(
        categories=categories,
        languages=("en", "zh"),
        thresholds={},
        max_characters=200_000,
        refusals=REFUSALS,
        category_refusals={},
        redact_personal_data=True,
        scrubbing=ScrubbingConfig(languages=("en", "zh"), labels=LABELS, policy="redact", min_score=0.5),
    )
    return SafetyFilter(settings, RuleSet(load_lexicons(RULES_DIR, categories)), None)
