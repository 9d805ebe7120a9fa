"""A decision given by a form, signed with a key of this home."""

from __future__ import annotations

import datetime
from typing import ClassVar, Literal

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from components.core.errors import ConfigError
from components.release.keys import SigningKey
from components.release.verify import VerificationTree
from tasks.audit import this_user
from tasks.registry import get_version
from tasks.release_control import inspect_release, publish_approvals, release_of, sign_decision, sign_waiver
from tasks.settings import Settings
from tasks.stages import STAGE_OPTIONS

Kind = Literal["approve", "reject", "waive"]


class SignedDecision(BaseModel):
    """What was signed by whom, and how the release stands now."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    decision: Kind
    model: str
    key: str
    role: str
    development: bool
    state: str
    promotable: bool
    open: tuple[str, ...]

    def sentence(self) -> str:
        """The outcome in one line."""
        mark = ", a development key" if self.development else ""
        what = f"{self.model}: {self.decision} signed by {self.key} ({self.role}{mark}); the release is {self.state}"
        return f"{what}; still open: {'; '.join(self.open)}" if self.open else f"{what} and may be promoted"


@task(name="sign", task_run_name="{decision}-{name}-{version}", **STAGE_OPTIONS)
def sign(
    name: str, version: str, decision: Kind, reason: str, *, key: str, gate: str, until: datetime.date | None
) -> SignedDecision:
    """Sign, bring the version's page up to date and leave the verification as a Prefect artefact.

    Raises: ConfigError if a field is wrong or missing; IntegrityError if the release does not hold.
    """
    settings = Settings()
    release = release_of(get_version(name, version, settings=settings), settings)
    actor = f"{this_user()} by Prefect flow run {flow_run.get_name()}"
    if decision == "waive":
        if not gate or until is None:
            raise ConfigError("a waiver needs the fields gate and until: which gate, and the last day it holds")
        _, signer = sign_waiver(release, gate, reason, until.isoformat(), settings=settings, key_name=key, actor=actor)
    elif gate or until is not None:
        raise ConfigError(f"the fields gate and until are for a waiver; leave them empty to {decision}")
    else:
        _, signer = sign_decision(decision, release, reason, settings=settings, key_name=key, actor=actor)
    publish_approvals(name, version, settings=settings)
    tree = inspect_release(release, settings=settings)
    create_markdown_artifact(
        key=_artefact_key(name, version),
        markdown="\n".join([f"# models:/{name}/{version}: {tree.state}", "", "```", *tree.lines(), "```"]),
        description=f"Every check over models:/{name}/{version}",
    )
    return _outcome(decision, f"models:/{name}/{version}", signer, tree)


def _outcome(decision: Kind, model: str, signer: SigningKey, tree: VerificationTree) -> SignedDecision:
    return SignedDecision(
        decision=decision,
        model=model,
        key=signer.record.name,
        role=signer.record.role,
        development=signer.record.development,
        state=str(tree.state),
        promotable=tree.ok,
        open=tuple(tree.failures()),
    )


def _artefact_key(name: str, version: str) -> str:
    """Prefect takes small letters, digits and dashes."""
    return "verification-" + "".join(char if char.isalnum() else "-" for char in f"{name}-{version}".lower())
