"""The safety filter: what may be shown of a text, and why not.

In: a text. Out: a ``FilterDecision``: allow, redact (personal data replaced) or block (a refusal in the text's
language instead). A folder holds ``filter.json``, ``rules/*.yaml`` and ``classifier.safetensors``; without the last
the rules judge alone.

Blocked is what a rule names or what the classifier scores at or above the threshold of its category and language.
Whatever goes wrong inside, the answer is a refusal: a filter that fails must not let text through.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from components.core.errors import IntegrityError
from components.safety.classifier import HarmClassifier
from components.safety.config import Category, Language, SafetyConfig
from components.safety.normaliser import Views, guess_language, make_views, repaired
from components.safety.rules import RuleHit, RuleSet, load_lexicons
from components.scrubbing.config import ScrubbingConfig

_LOG = logging.getLogger(__name__)
_LAST_RESORT = "This request cannot be processed. / 无法处理此请求。"


class Reason(BaseModel):
    """Why a text was changed or blocked: a rule and where, in code points of the text as it came, end exclusive."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    rule: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)


class FilterDecision(BaseModel):
    """What the filter decided about one text."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    action: Literal["allow", "redact", "block"]
    text: str = Field(description="What may be shown.")
    categories: dict[str, float] = Field(description="Probability of each category; 1 where a rule matched.")
    reasons: list[Reason]
    latency_ms: float = Field(ge=0)


class FilterSettings(BaseModel):
    """Content of ``filter.json``."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True
    )

    schema_: Literal["touchstone.filter/1"] = Field(default="touchstone.filter/1", alias="schema")
    categories: tuple[Category, ...]
    languages: tuple[Language, ...]
    thresholds: dict[str, dict[str, float]]
    max_characters: int
    refusals: dict[str, str]
    category_refusals: dict[str, dict[str, str]]
    redact_personal_data: bool
    scrubbing: ScrubbingConfig | None

    @field_validator("scrubbing", mode="before")
    @classmethod
    def _say_rules(cls, value: Any) -> Any:
        """Filters written before there was a choice of detectors found names by rules, and go on doing so."""
        if isinstance(value, dict) and "detectors" not in value:
            return value | {"detectors": ({"kind": "rules"},)}
        return value

    @staticmethod
    def of(config: SafetyConfig, *, thresholds: dict[str, dict[str, float]]) -> FilterSettings:
        """The part of a training config that the filter itself needs."""
        fields = set(FilterSettings.model_fields) - {"schema_", "thresholds"}
        return FilterSettings.model_validate(config.model_dump(include=fields) | {"thresholds": thresholds})


class SafetyFilter:
    """Rules, classifier and policy, ready to judge texts. Safe to share between threads."""

    def __init__(self, settings: FilterSettings, rules: RuleSet, classifier: HarmClassifier | None) -> None:
        """Parts as they were trained together; ``load`` is the usual way."""
        self.settings = settings
        self._rules = rules
        self._classifier = classifier

    @staticmethod
    def load(folder: Path, *, rules_dir: Path | None = None) -> SafetyFilter:
        """Open a filter folder, with its own rules unless told otherwise.

        Raises IntegrityError if a part is missing or does not belong to the others.
        """
        try:
            settings = FilterSettings.model_validate(json.loads((folder / "filter.json").read_text(encoding="utf-8")))
        except (OSError, ValidationError, ValueError) as error:
            raise IntegrityError(f"{folder / 'filter.json'}: not a readable filter; train the filter again") from error
        terms = load_lexicons(rules_dir or folder / "rules", settings.categories)
        if not terms:
            raise IntegrityError(f"{folder / 'rules'}: no rule in any configured category; train the filter again")
        path = folder / "classifier.safetensors"
        classifier = HarmClassifier.load(path) if path.exists() else None
        if classifier is not None and classifier.categories != settings.categories:
            raise IntegrityError(f"{path}: trained on other categories than filter.json names; train the filter again")
        made = SafetyFilter(settings, RuleSet(terms), classifier)
        made._redact("", "en")  # compiles the patterns, so that the first request need not wait
        return made

    def check(self, text: str, lang: str | None = None) -> FilterDecision:
        """Judge one text. Never raises: any fault inside blocks, with the rule ``filter_error``."""
        started = perf_counter()
        try:
            return self._decide(text, lang, started)
        except Exception as error:
            # The one broad except of this room: a filter that fails must refuse. The message could quote the text.
            _LOG.error("the safety filter failed with %s and refused", type(error).__name__)
            return self._refuse("filter_error", text, started)

    def _decide(self, text: str, lang: str | None, started: float) -> FilterDecision:
        if len(text) > self.settings.max_characters:
            return self._refuse("too_long", text, started)
        if _has_lone_surrogate(text):  # nothing after this could encode it, so it cannot be shown
            return self._refuse("not_unicode", text, started)
        language = lang if lang in self.settings.languages else guess_language(text)
        views = make_views(text)
        hits = self._rules.find(views)
        categories, over = self._score(views, hits, language)
        if hits or over:
            reasons = [Reason(rule=hit.rule, start=hit.start, end=hit.end) for hit in hits]
            reasons += [Reason(rule=f"classifier/{name}", start=0, end=len(text)) for name in over]
            worst = max([hit.category for hit in hits] or over, key=lambda name: categories[name])
            return FilterDecision(
                action="block",
                text=self.refusal(language, worst),
                categories=categories,
                reasons=reasons,
                latency_ms=_milliseconds(started),
            )
        shown, reasons = self._redact(text, language)
        return FilterDecision(
            action="redact" if reasons else "allow",
            text=shown,
            categories=categories,
            reasons=reasons,
            latency_ms=_milliseconds(started),
        )

    def scores(self, text: str, lang: str | None = None) -> dict[str, float]:
        """Score of each category in [0, 1], 1 where a rule matched; nothing is decided and nothing blocked."""
        language = lang if lang in self.settings.languages else guess_language(text)
        views = make_views(text)
        return self._score(views, self._rules.find(views), language)[0]

    def refusal(self, language: str, category: str | None = None) -> str:
        """The message shown instead of a blocked text."""
        for messages in (self.settings.category_refusals.get(category or "", {}), self.settings.refusals):
            if message := messages.get(language):
                return message
        return _LAST_RESORT

    def _score(self, views: Views, hits: list[RuleHit], language: str) -> tuple[dict[str, float], list[str]]:
        """Scores by category, and the categories whose classifier score reaches the threshold."""
        scores = dict.fromkeys(map(str, self.settings.categories), 0.0)
        over: list[str] = []
        if self._classifier is not None:
            values_C = self._classifier.scores(repaired(views))
            for name, value in zip(self.settings.categories, values_C, strict=True):
                by_language = self.settings.thresholds[name]
                # A language the filter was not trained for is judged by the strictest threshold there is.
                threshold = by_language.get(language, min(by_language.values()))
                scores[name] = round(float(value), 4)
                over += [str(name)] if value >= threshold else []
        for hit in hits:
            scores[hit.category] = 1.0
        return scores, over

    def _redact(self, text: str, language: str) -> tuple[str, list[Reason]]:
        if not self.settings.redact_personal_data or self.settings.scrubbing is None:
            return text, []
        from components.scrubbing.detect import detect_personal_data

        spans = sorted(detect_personal_data(text, language, self.settings.scrubbing), key=lambda span: span.start)
        pieces, position = [], 0
        for span in spans:
            pieces += [text[position : span.start], f"[{span.label}]"]
            position = span.end
        reasons = [Reason(rule=f"personal_data/{span.label}", start=span.start, end=span.end) for span in spans]
        return "".join([*pieces, text[position:]]), reasons

    def _refuse(self, rule: str, text: object, started: float) -> FilterDecision:
        """A refusal that needs nothing that may just have failed."""
        is_text = isinstance(text, str)
        return FilterDecision(
            action="block",
            text=self.refusal(guess_language(text[:1000])) if isinstance(text, str) else _LAST_RESORT,
            categories={},
            reasons=[Reason(rule=rule, start=0, end=len(text) if is_text else 0)],  # type: ignore[arg-type]
            latency_ms=_milliseconds(started),
        )


def _has_lone_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _milliseconds(started: float) -> float:
    return round((perf_counter() - started) * 1000, 3)
