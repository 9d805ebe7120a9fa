"""Payload, Evidence and a passing Verdict to a sealed Release, registered and pending approval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from prefect import task
from pydantic import BaseModel, ConfigDict

from components.core.artefacts import Artefact, EvidenceArtefact, Payload, VerdictArtefact
from components.core.errors import ConfigError
from components.core.evidence import Evidence
from components.release.config import ReleaseConfig
from components.release.release import ENVELOPE_DIR, read_evidence, seal_release
from tasks import registry
from tasks.release_control import POLICY_KEY, now, open_keyring, open_policies
from tasks.settings import Settings
from tasks.stages import STAGE_OPTIONS, open_store
from tasks.tracking import RunRef

_SEALING_ROLE = "trainer"


class PendingRelease(BaseModel):
    """A sealed release and the registry version that points to it; no version where there is no tracker."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    path: str
    version: str | None


@task(name="seal", task_run_name="seal-{candidate}", **STAGE_OPTIONS)
def seal(
    payload: Payload,
    evidence: EvidenceArtefact,
    verdict: VerdictArtefact,
    config: ReleaseConfig,
    *,
    name: str,
    chain: Mapping[str, Mapping[Any, Artefact]],
    candidate: str,
    run: RunRef,
) -> PendingRelease:
    """Copy, sign and register. ``chain`` names the artefacts behind the payload, from sources to models."""
    settings, store, moment = Settings(), open_store(), now()
    open_policies(settings).pin(name, config)
    digests = {f"{group}.{role}": item.digest for group, items in chain.items() for role, item in items.items()}
    own = {"payload": payload.digest, "evidence": evidence.digest, "verdict": verdict.digest}
    release = seal_release(
        store.path(payload),
        store.path(evidence),
        store.path(verdict),
        {
            "candidate": candidate,
            "run_id": run.run_id,
            "chain": digests | own,
            POLICY_KEY: config.model_dump(mode="json"),
        },
        open_keyring(settings).development_key(_SEALING_ROLE, now=moment),
        releases_root=settings.releases_folder,
        name=name,
        data_digests={role: digest for role, digest in digests.items() if not role.startswith("models.")},
        now=moment,
    )
    version = None
    if run:
        tags = {registry.CANDIDATE_TAG: candidate, registry.DECISION_TAG: "pending"}
        version = registry.register_release(name, release.folder, run=run, settings=settings, tags=tags)
    return PendingRelease(path=str(release.folder), version=version)


def check_policy(name: str, config: ReleaseConfig, settings: Settings) -> None:
    """Before hours of training: that sealing will not be refused. Raises ConfigError naming the file that differs."""
    pins = open_policies(settings)
    if (standing := pins.read(name)) is not None:
        pins.require_same(name, config, standing)


def find_champion(name: str, settings: Settings) -> Evidence | None:
    """Evidence of the release in production, or None while there is none."""
    try:
        version = registry.get_version(name, registry.PRODUCTION, settings=settings)
    except ConfigError:
        return None
    return read_evidence(registry.release_folder(version, settings) / ENVELOPE_DIR)
