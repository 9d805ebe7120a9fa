"""The packaged model behind its filter: guard the request, classify, guard the answer.

In: texts. Out: a ``Response`` each, in order. The classifier reads the request as it came, as it did when it was
evaluated; what is shown of the request is what the filter lets be shown.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from components.core.errors import IntegrityError
from components.core.hashing import digest_file
from components.core.jsonfiles import read_json
from components.core.payload import PayloadManifest, read_manifest, verify_payload
from components.modeling.inference import FloatArray, TextClassifier
from components.safety.filter import FilterDecision, SafetyFilter
from components.safety.normaliser import guess_language

_LOG = logging.getLogger(__name__)


class Response(BaseModel):
    """Answer to one text. A blocked one has no label."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    action: Literal["allow", "redact", "block"]
    label: str | None
    score: float | None = Field(description="Calibrated probability of the label.")
    text: str = Field(description="What may be shown of the request, or the refusal in its language.")
    categories: dict[str, float]
    latency_ms: float = Field(ge=0)


class GuardedModel:
    """A verified payload, ready to answer. Safe to share between threads."""

    def __init__(
        self, manifest: PayloadManifest, safety_filter: SafetyFilter, classifier: TextClassifier, max_texts: int
    ) -> None:
        """Parts of one payload; ``load`` is the usual way."""
        self.payload_digest = manifest.digest()
        self.name = manifest.name
        self.languages = manifest.languages
        self.labels = manifest.labels
        self.max_texts_per_request = max_texts
        self._filter = safety_filter
        self._classifier = classifier
        self._lock = threading.Lock()  # fast tokenizers refuse to be borrowed twice at once

    @staticmethod
    def load(folder: Path, *, expected_digest: str | None = None) -> GuardedModel:
        """Verify a payload folder, then open it. Raises IntegrityError if a byte or the digest differs."""
        digest = verify_payload(folder)
        if expected_digest is not None and digest != expected_digest:
            raise IntegrityError(f"{folder}: payload {digest[:19]} is not {expected_digest[:19]}, which was asked for")
        manifest = read_manifest(folder)
        if different := _differing_code(manifest):
            _LOG.warning("%d serving files differ from the payload's own code, first %s", len(different), different[0])
        classifier = TextClassifier(folder / "model")
        if tuple(classifier.labels) != manifest.labels:
            raise IntegrityError(f"{folder}: the model's labels are not those of payload.json; package again")
        settings = read_json(folder / "config.json")
        return GuardedModel(
            manifest, SafetyFilter.load(folder / "filter"), classifier, int(settings["max_texts_per_request"])
        )

    def guard(self, text: str) -> FilterDecision:
        """What the filter does with one text."""
        return self._filter.check(text)

    def respond(self, texts: Sequence[str]) -> list[Response]:
        """Answer each text."""
        decisions = [self._filter.check(text) for text in texts]
        open_N = [index for index, decision in enumerate(decisions) if decision.action != "block"]
        started = perf_counter()
        probabilities_NC = self._predict([texts[index] for index in open_N])
        share_ms = (perf_counter() - started) * 1000 / max(1, len(open_N))
        answers = [_blocked(decision) for decision in decisions]
        for row_C, index in zip(probabilities_NC, open_N, strict=True):
            answers[index] = self._answer(texts[index], decisions[index], row_C, share_ms)
        return answers

    def _predict(self, texts: list[str]) -> FloatArray:
        if not texts:
            return np.zeros((0, len(self.labels)))
        with self._lock:
            return self._classifier.predict(texts)

    def _answer(self, text: str, decision: FilterDecision, row_C: FloatArray, model_ms: float) -> Response:
        """The answer to an allowed request: refused all the same if the model's output is unsound or not showable."""
        language = guess_language(text)
        best = int(np.argmax(row_C))
        label = self.labels[best]
        if not np.isfinite(row_C).all() or self._filter.check(label, language).action != "allow":
            return Response(
                action="block",
                label=None,
                score=None,
                text=self._filter.refusal(language),
                categories=decision.categories,
                latency_ms=round(decision.latency_ms + model_ms, 3),
            )
        return Response(
            action=decision.action,
            label=label,
            score=round(float(row_C[best]), 6),
            text=decision.text,
            categories=decision.categories,
            latency_ms=round(decision.latency_ms + model_ms, 3),
        )


def _blocked(decision: FilterDecision) -> Response:
    return Response(
        action="block",
        label=None,
        score=None,
        text=decision.text,
        categories=decision.categories,
        latency_ms=decision.latency_ms,
    )


def _differing_code(manifest: PayloadManifest) -> list[str]:
    """Serving files of the payload that are not the ones now running."""
    root = Path(str(sys.modules["components"].__path__[0])).parent
    names = [name for name in manifest.files if name.startswith("code/components/")]
    return [
        name
        for name in names
        if not (root / name.removeprefix("code/")).is_file()
        or digest_file(root / name.removeprefix("code/")) != "sha256:" + manifest.files[name].sha256
    ]
