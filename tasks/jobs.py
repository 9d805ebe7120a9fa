"""What workers run where a component's own function does not cross processes. Prefect is not imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.core.store import StageReport
from components.evaluation.config import EvaluationConfig
from components.scrubbing.config import ScrubbingConfig
from tasks.settings import Settings


def evaluate(
    payload: Path,
    config: EvaluationConfig,
    inputs: Mapping[str, Any],
    scrubbing: ScrubbingConfig,
    *,
    out_dir: Path,
    on_progress: Callable[[str, int, int], None],
) -> StageReport:
    """Evaluate with this run's own detectors. ``inputs`` are the fields of EvaluationInputs less the detector."""
    from components.evaluation.context import EvaluationInputs
    from components.evaluation.evaluate import evaluate_payload
    from components.scrubbing.scrub import detect_personal_data

    given = EvaluationInputs(**inputs, detector=lambda text, lang: detect_personal_data(text, lang, scrubbing))
    return evaluate_payload(payload, config, given, out_dir=out_dir, on_progress=on_progress)


def ask_production(name: str, requests: list[str], settings: Settings) -> list[dict[str, Any]]:
    """Load the model behind ``production`` from the registry and send it the requests."""
    from tasks.release_control import load_production

    answers: list[dict[str, Any]] = load_production(name, settings=settings).predict(requests)
    return answers
