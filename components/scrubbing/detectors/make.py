"""Detectors from their settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from pydantic import BaseModel

from components.scrubbing.detectors import Detector
from components.scrubbing.detectors.adapters import PresidioDetector, SpacyDetector, TransformersDetector
from components.scrubbing.detectors.combine import TaggerWithRules
from components.scrubbing.detectors.names import NameDetector
from components.scrubbing.detectors.settings import (
    DetectorSettings,
    PresidioSettings,
    RulesSettings,
    SpacySettings,
    TaggerSettings,
    TransformersSettings,
)
from components.scrubbing.detectors.tagger import TaggerDetector


def make_detectors(settings: Iterable[DetectorSettings], languages: Collection[str]) -> list[Detector]:
    """The configured detectors, in order, a tagger and rules as one. Models are read when the first text comes."""
    made = [_MAKERS[type(chosen)](chosen, languages) for chosen in settings]
    taggers = [detector for detector in made if isinstance(detector, TaggerDetector)]
    rules = [detector for detector in made if isinstance(detector, NameDetector)]
    if len(taggers) != 1 or len(rules) != 1:
        return made
    others = [detector for detector in made if detector not in (*taggers, *rules)]
    return [TaggerWithRules(taggers[0], rules[0]), *others]


def _tagger(chosen: TaggerSettings, _: Collection[str]) -> Detector:
    return TaggerDetector(recall_bias=chosen.recall_bias, weights=chosen.weights)


def _rules(_: RulesSettings, languages: Collection[str]) -> Detector:
    return NameDetector(languages)


def _presidio(chosen: PresidioSettings, _: Collection[str]) -> Detector:
    models = {str(lang): model for lang, model in chosen.models.items()}
    return PresidioDetector(models=models, types=chosen.types, labels=chosen.labels)


def _spacy(chosen: SpacySettings, _: Collection[str]) -> Detector:
    models = {str(lang): model for lang, model in chosen.models.items()}
    return SpacyDetector(models=models, types=chosen.types, labels=chosen.labels, score=chosen.score)


def _transformers(chosen: TransformersSettings, _: Collection[str]) -> Detector:
    return TransformersDetector(
        model=chosen.model,
        types=chosen.types,
        labels=chosen.labels,
        batch_size=chosen.batch_size,
        max_characters=chosen.max_characters,
    )


_MAKERS: dict[type[BaseModel], Callable[[Any, Collection[str]], Detector]] = {
    TaggerSettings: _tagger,
    RulesSettings: _rules,
    PresidioSettings: _presidio,
    SpacySettings: _spacy,
    TransformersSettings: _transformers,
}
