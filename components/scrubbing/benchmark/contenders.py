"""Our engine and Presidio's analyzer with the same recognisers, one thread each.

Presidio runs on a blank spaCy pipeline: a trained one costs more and does nothing for structured values.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from components.core.errors import ConfigError
from components.scrubbing.benchmark.measure import Contender
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.engine import Engine

_RECOGNIZERS = {
    "EMAIL_ADDRESS": "EmailRecognizer",
    "PHONE_NUMBER": "PhoneRecognizer",
    "CREDIT_CARD": "CreditCardRecognizer",
    "IBAN_CODE": "IbanRecognizer",
    "IP_ADDRESS": "IpRecognizer",
    "US_SSN": "UsSsnRecognizer",
    "URL": "UrlRecognizer",
}
_MIN_SCORE = 0.5


def our_detection(labels: Sequence[str], *, min_score: float = _MIN_SCORE) -> Contender:
    """The engine of ``touchstone scrub`` for these labels."""
    engine = Engine(
        ScrubbingConfig.model_validate(
            {"languages": ("en", "zh"), "labels": tuple(labels), "policy": "redact", "min_score": min_score}
        )
    )

    def detect(texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        return [[(span.start, span.end, span.label) for span in spans] for spans in engine.detect_many(texts)]

    return Contender("touchstone", version("touchstone"), detect)


def presidio_detection(labels: Sequence[str] | None) -> Contender:
    """Presidio's analyzer with its recognisers for these labels, at its own default threshold.

    None: every recogniser that it loads for English by itself. Raises: ConfigError where the extra is not installed.
    """
    try:
        import presidio_analyzer
    except ImportError as error:
        raise ConfigError("bench scrub needs Presidio: install the extra with make setup EXTRAS=bench") from error
    pipeline = _blank_pipeline()
    registry = presidio_analyzer.RecognizerRegistry(supported_languages=["en"])
    if labels is None:
        registry.load_predefined_recognizers(languages=["en"], nlp_engine=pipeline)
    for label in labels or ():
        registry.add_recognizer(getattr(presidio_analyzer.predefined_recognizers, _RECOGNIZERS[label])())
    _keep_offline()
    analyzer = presidio_analyzer.AnalyzerEngine(registry=registry, nlp_engine=pipeline, supported_languages=["en"])

    def detect(texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        return [
            [(result.start, result.end, result.entity_type) for result in analyzer.analyze(text, language="en")]
            for text in texts
        ]

    return Contender("presidio-analyzer", version("presidio-analyzer"), detect)


def _blank_pipeline() -> Any:
    import spacy
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.nlp = {"en": spacy.blank("en")}
    return engine


def _keep_offline() -> None:
    """Its mail recogniser asks tldextract, which would download the public suffix list; the stored one will do."""
    import tldextract

    vars(tldextract)["extract"] = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
