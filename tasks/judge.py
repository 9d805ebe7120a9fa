"""Evidence to Verdict."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import task

from components.core.artefacts import EvidenceArtefact, Payload, VerdictArtefact
from components.core.evidence import Evidence, Verdict
from components.core.jsonfiles import read_json
from components.gates.config import GatesConfig
from components.gates.judge import judge as decide
from components.gates.scorecard import write_verdict
from tasks.stages import STAGE_OPTIONS, open_store, produce


@task(name="judge", task_run_name="judge-{candidate}", **STAGE_OPTIONS)
def judge(
    evidence: EvidenceArtefact, payload: Payload, config: GatesConfig, champion: Evidence | None, candidate: str
) -> VerdictArtefact:
    """Hold the evidence against every gate; against the champion where a gate asks for it and it is another model."""
    digest = str(payload.summary["payload_digest"])
    compares = any(gate.relative_to_champion for gate in config.gates)
    if champion is not None and (not compares or champion.payload_digest == digest):
        champion = None  # promoting a model must not change its own verdict, nor supersede its sealed release
    return produce(
        VerdictArtefact,
        stage="judge",
        candidate=candidate,
        rooms=("gates",),
        inputs={"evidence": evidence},
        config=config,
        outside={"champion": champion.payload_digest} if champion else {},
        build=lambda folders, out, _: write_verdict(
            decide(
                Evidence.model_validate(read_json(folders["evidence"] / "evidence.json")),
                config,
                payload_digest=digest,
                champion=champion,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
            ),
            out_dir=out,
        ),
    )


def read_verdict(artefact: VerdictArtefact) -> Verdict:
    """The verdict of a verdict artefact."""
    return Verdict.model_validate(read_json(open_store().path(artefact) / "verdict.json"))
