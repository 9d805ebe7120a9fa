"""The MLflow pyfunc over a payload, written as models-from-code: MLflow copies this file and runs it at load.

It leans on nothing of this repository: the payload in the model's artefacts brings ``code/components``. In: a list of
texts, or a data frame with a column of them. Out: one mapping a text, as ``POST /predict`` answers.
Imported as ``tasks.serving`` it only defines; the model is set when MLflow runs it under a name of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow

if TYPE_CHECKING:
    from components.packaging.serving import GuardedModel

PAYLOAD_ARTIFACT = "payload"


class PayloadModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow carries no types
    """A payload behind its filter."""

    def __init__(self) -> None:
        self._model: GuardedModel | None = None

    def load_context(self, context: Any) -> None:
        """Verify every byte of the payload against the digest it was registered with, then open it."""
        folder = Path(context.artifacts[PAYLOAD_ARTIFACT])
        _reach_code(folder / "code")
        from components.packaging.serving import GuardedModel

        expected = (context.model_config or {}).get("payload_digest")
        self._model = GuardedModel.load(folder, expected_digest=expected)

    # The annotation of `model_input` is MLflow's input check: it also turns a data frame of one column into a list.
    # None stands on what is returned, since MLflow warns about every `Any` in it.
    def predict(self, context: Any, model_input: list[str], params: Any = None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Answer each text."""
        if self._model is None:
            raise RuntimeError("the payload is not loaded")
        return [answer.model_dump(mode="json") for answer in self._model.respond(model_input)]


def _reach_code(code: Path) -> None:
    """Put the payload's own code on the path, and write no bytecode into the sealed folder."""
    sys.dont_write_bytecode = True
    if "components" not in sys.modules and str(code) not in sys.path:
        sys.path.insert(0, str(code))


if __name__ != "tasks.serving":
    mlflow.models.set_model(PayloadModel())
