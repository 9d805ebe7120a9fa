"""The MLflow pyfunc over a payload, written as models-from-code: MLflow copies this file and runs it at load.

It answers by the payload's own code alone: the model's artefacts bring ``code/components``. In: a list of texts, or a
data frame with a column of them. Out: one mapping a text, as ``POST /predict`` answers.

Before it loads it has the release verified by the program, in a process of its own since that brings another
``components``: signatures, verdict, approvals, revoked keys. Where the release or the program is out of reach it
refuses. ``model_config={"verified": True}`` is how a loader of ours says that it has just done so.
Imported as ``tasks.serving`` it only defines; the model is set when MLflow runs it under a name of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
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
        config = context.model_config or {}
        if not config.get("verified"):
            _verify_release(config)
        _reach_code(folder / "code")
        from components.packaging.serving import GuardedModel

        self._model = GuardedModel.load(folder, expected_digest=config.get("payload_digest"))

    # The annotation of `model_input` is MLflow's input check: it also turns a data frame of one column into a list.
    # None stands on what is returned, since MLflow warns about every `Any` in it.
    def predict(self, context: Any, model_input: list[str], params: Any = None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Answer each text."""
        if self._model is None:
            raise RuntimeError("the payload is not loaded")
        return [answer.model_dump(mode="json") for answer in self._model.respond(model_input)]


def _verify_release(config: Mapping[str, Any]) -> None:
    """Let the program verify the release for serving. Raises RuntimeError with its last line where it does not hold."""
    command = [sys.executable, "-P", "-m", "flows", "verify", "--serving", "--json", str(config.get("release", ""))]
    environment = {**os.environ, "TOUCHSTONE_HOME": str(config.get("home", ""))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    try:
        found = json.loads(done.stdout or "{}")
    except ValueError:
        found = {}
    if done.returncode != 0 or found.get("payload_digest") != config.get("payload_digest"):
        reasons = [line.strip() for line in found.get("lines", []) if "\u2717" in line] or done.stderr.splitlines()[-1:]
        raise RuntimeError(f"the release {config.get('release')} does not verify, so it is not loaded: "
                           f"{'; '.join(reasons) or 'another payload'}; see touchstone verify")  # fmt: skip


def _reach_code(code: Path) -> None:
    """Put the payload's own code on the path, and write no bytecode into the sealed folder."""
    sys.dont_write_bytecode = True
    if "components" not in sys.modules and str(code) not in sys.path:
        sys.path.insert(0, str(code))


if __name__ != "tasks.serving":
    mlflow.models.set_model(PayloadModel())
