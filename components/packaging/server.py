"""HTTP server of a guarded model.

    POST /predict  {"text": "…"} or {"texts": ["…", …]}  →  {"payload_digest", "predictions": [Response, …]}
    GET  /health                                          →  {"status": "ok", "name", "payload_digest"}

Whoever runs it binds it to loopback. A decision log that cannot be written is reported and does not stop an answer;
a filter that fails refuses (``components.safety.filter``).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.packaging.serving import GuardedModel, Response
from components.safety.decision_log import DecisionLog
from components.safety.filter import FilterDecision

if TYPE_CHECKING:
    from fastapi import FastAPI

LOOPBACK_HOSTS = ("127.0.0.1", "localhost")

_LOG = logging.getLogger(__name__)


class PredictRequest(BaseModel):
    """One text or several."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    text: str | None = None
    texts: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _exactly_one(self) -> PredictRequest:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        return self


class PredictResponse(BaseModel):
    """Answers in the order of the texts."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    payload_digest: str
    predictions: list[Response]


def build_app(
    model: GuardedModel, decision_log: DecisionLog | None = None, *, allowed_hosts: Sequence[str] = LOOPBACK_HOSTS
) -> FastAPI:
    """The application. Requests whose Host header is not in ``allowed_hosts`` are refused (DNS rebinding)."""
    from fastapi import FastAPI, HTTPException
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(title=f"touchstone: {model.name}", docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))

    # A plain function, not a coroutine: the model computes, so it belongs on the server's worker threads.
    @app.post("/predict")
    def predict(request: PredictRequest) -> PredictResponse:
        texts = [request.text] if request.text is not None else list(request.texts or [])
        if len(texts) > model.max_texts_per_request:
            raise HTTPException(413, f"{len(texts)} texts; send at most {model.max_texts_per_request} at once")
        answers = model.respond(texts)
        _record(decision_log, texts, answers)
        return PredictResponse(payload_digest=model.payload_digest, predictions=answers)

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", "name": model.name, "payload_digest": model.payload_digest}

    return app


def _record(log: DecisionLog | None, texts: Sequence[str], answers: Sequence[Response]) -> None:
    if log is None:
        return
    try:
        for text, answer in zip(texts, answers, strict=True):
            decision = FilterDecision(
                action=answer.action,
                text="",
                categories=answer.categories,
                reasons=[],
                latency_ms=answer.latency_ms,
            )
            log.write(text, decision, label=answer.label, score=answer.score)
    except OSError as error:
        _LOG.error("%s: decision not logged, %s", log.path, error.strerror)
