"""Detectors of other libraries behind the same protocol: Presidio, spaCy, and token classifiers of Hugging Face.

Each loads its library when the first text comes, so that a configuration can be checked without it. Offsets are code
points in all three. Labels are mapped to those of this program; what has no counterpart is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from components.core.errors import ConfigError
from components.scrubbing.spans import Span

_HOLE = "\ufffc"

# Names of entity types in common pipelines and checkpoints; a type that is one of our labels needs no entry.
KNOWN_TYPES: dict[str, str] = {
    "PER": "PERSON", "NAME": "PERSON", "PATIENT": "PERSON", "STAFF": "PERSON", "GIVENNAME": "PERSON",
    "SURNAME": "PERSON",
    "LOC": "LOCATION", "GPE": "LOCATION", "FAC": "LOCATION", "CITY": "LOCATION", "STREET": "STREET_ADDRESS",
    "ADDRESS": "STREET_ADDRESS", "ORG": "ORGANIZATION", "NORP": "NRP", "DATE": "DATE_TIME", "TIME": "DATE_TIME",
    "EMAIL": "EMAIL_ADDRESS", "PHONE": "PHONE_NUMBER", "TELEPHONENUM": "PHONE_NUMBER", "ID_NUM": "CASE_NUMBER",
}  # fmt: skip


def _missing(library: str, extra: str, error: ImportError) -> ConfigError:
    return ConfigError(
        f"scrubbing.detectors: {library} is not installed ({error.name}); run pip install 'touchstone[{extra}]'"
    )


class _Adapter:
    """What the three share: labels mapped, holes respected, the library loaded once."""

    name: str
    labels: frozenset[str]

    def __init__(self, types: Mapping[str, str], labels: Iterable[str]) -> None:
        self._types = {**KNOWN_TYPES, **types}
        self.labels = frozenset(labels)
        self._loaded: Any = None

    def detect(self, text: str, lang: str) -> Iterable[Span]:
        """Spans of one text."""
        return self.detect_many([text], [lang])[0]

    def detect_many(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:
        """Spans of each text, in order."""
        raise NotImplementedError

    def _span(self, text: str, start: int, end: int, kind: str, score: float) -> list[Span]:
        label = self._types.get(kind, kind)
        if label not in self.labels or start >= end or _HOLE in text[start:end]:
            return []
        return [Span(start, end, label, float(min(max(score, 0.0), 1.0)), self.name)]


class PresidioDetector(_Adapter):
    """Presidio's analyzer with a spaCy pipeline a language, blank where none is named.

    A language without a pipeline or recogniser of its own is skipped.
    """

    name = "presidio"

    def __init__(self, *, models: Mapping[str, str], types: Mapping[str, str], labels: Iterable[str]) -> None:
        """``models``: language to the name or folder of a spaCy pipeline."""
        super().__init__(types, labels)
        self._models = dict(models)

    def detect_many(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:
        """Spans of each text whose language has a pipeline."""
        if self._loaded is None:
            self._loaded = self._load()
        return [
            [
                span
                for result in self._loaded.analyze(text, language=lang)
                for span in self._span(text, result.start, result.end, result.entity_type, result.score)
            ]
            if lang in self._models
            else ()
            for text, lang in zip(texts, langs, strict=True)
        ]

    def _load(self) -> Any:
        try:
            import spacy
            from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
            from presidio_analyzer.nlp_engine import SpacyNlpEngine
        except ImportError as error:
            raise _missing("presidio-analyzer", "presidio", error) from error

        class LoadedPipelines(SpacyNlpEngine):  # type: ignore[misc]
            """Presidio would download a pipeline that it does not find."""

            def __init__(self, pipelines: Mapping[str, Any]) -> None:
                super().__init__()
                self.nlp = dict(pipelines)

        languages = sorted(self._models)
        pipelines = {lang: _spacy_pipeline(spacy, lang, self._models[lang]) for lang in languages}
        registry = RecognizerRegistry(supported_languages=languages)
        registry.load_predefined_recognizers(languages=languages, nlp_engine=LoadedPipelines(pipelines))
        return AnalyzerEngine(nlp_engine=LoadedPipelines(pipelines), registry=registry, supported_languages=languages)


class SpacyDetector(_Adapter):
    """The entities of spaCy pipelines. They carry no probability: every span has the configured score."""

    name = "spacy"

    def __init__(
        self, *, models: Mapping[str, str], types: Mapping[str, str], labels: Iterable[str], score: float
    ) -> None:
        """``models``: language to the name or folder of a pipeline."""
        super().__init__(types, labels)
        self._models, self._score = dict(models), score

    def detect_many(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:
        """Spans of each text whose language has a pipeline."""
        if self._loaded is None:
            self._loaded = self._load()
        found: list[Sequence[Span]] = [()] * len(texts)
        for lang, pipeline in self._loaded.items():
            indices = [index for index, of_text in enumerate(langs) if of_text == lang]
            documents = pipeline.pipe(texts[index] for index in indices)
            for index, document in zip(indices, documents, strict=True):
                found[index] = [
                    span
                    for entity in document.ents
                    for span in self._span(texts[index], entity.start_char, entity.end_char, entity.label_, self._score)
                ]
        return found

    def _load(self) -> dict[str, Any]:
        try:
            import spacy
        except ImportError as error:
            raise _missing("spacy", "spacy", error) from error
        return {lang: _spacy_pipeline(spacy, lang, model) for lang, model in sorted(self._models.items())}


class TransformersDetector(_Adapter):
    """A token-classification checkpoint: a folder, or a name on the hub that ``transformers`` can fetch."""

    name = "transformers"

    def __init__(
        self, *, model: str, types: Mapping[str, str], labels: Iterable[str], batch_size: int, max_characters: int
    ) -> None:
        """Texts longer than ``max_characters`` are read in windows that overlap by a fifth."""
        super().__init__(types, labels)
        self._model, self._batch_size, self._max_characters = model, batch_size, max_characters

    def detect_many(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:  # noqa: ARG002
        """Spans of each text."""
        if self._loaded is None:
            self._loaded = self._load()
        windows = [(index, at) for index, text in enumerate(texts) for at in self._window_starts(len(text))]
        pieces = [texts[index][at : at + self._max_characters] for index, at in windows]
        found: list[dict[Span, None]] = [{} for _ in texts]
        for (index, at), piece, entities in zip(windows, pieces, self._read(pieces), strict=True):
            text = texts[index]
            for entity in entities:
                start, end = at + int(entity["start"]), at + int(entity["end"])
                # Some tokenizers count the blank before a word as its first character.
                start += len(text[start:end]) - len(text[start:end].lstrip())
                # Two windows read what they share; each speaks for its half, where the other sees less context.
                half = self._max_characters // 10
                first = at + half if at else 0
                last = at + len(piece) - half if at + len(piece) < len(text) else len(text)
                if first <= (start + end) // 2 < last:
                    spans = self._span(text, start, end, str(entity["entity_group"]), float(entity["score"]))
                    found[index] |= dict.fromkeys(spans)
        return [list(spans) for spans in found]

    def _read(self, pieces: Sequence[str]) -> list[list[dict[str, Any]]]:
        if not pieces:
            return []
        read: list[list[dict[str, Any]]] = self._loaded(list(pieces), batch_size=self._batch_size)
        return read

    def _window_starts(self, length: int) -> range:
        overlap = self._max_characters // 5
        return range(0, max(1, length - overlap), self._max_characters - overlap) if length else range(0)

    def _load(self) -> Callable[..., Any]:
        from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

        try:
            tokenizer = AutoTokenizer.from_pretrained(self._model, use_fast=True)
            model = AutoModelForTokenClassification.from_pretrained(self._model)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"scrubbing.detectors: {self._model} is no token classifier that transformers can load; "
                "name a checkpoint folder or a hub id"
            ) from error
        loaded: Callable[..., Any] = pipeline(
            "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple", device=-1
        )
        return loaded


def _spacy_pipeline(spacy: Any, lang: str, model: str) -> Any:
    """A pipeline by name or folder; ``blank`` is spaCy's own for the language, without entities."""
    if model == "blank":
        return spacy.blank(lang)
    try:
        return spacy.load(model)
    except OSError as error:
        raise ConfigError(
            f"scrubbing.detectors: spaCy finds no pipeline {model!r}; run python -m spacy download {model}, "
            "or name a folder"
        ) from error
