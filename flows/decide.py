"""A person's decision on a version: this flow's parameters are the form in Prefect's user interface.

It signs as ``touchstone approve``, ``reject`` and ``waive`` do, with a key that lies in this home. Whoever
reaches Prefect's address may use those keys, so approvers who must not be stood in for keep theirs elsewhere and sign
on the command line with ``--key FILE``.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.states import Completed
from pydantic import Field

from tasks.decide import sign

Name = Annotated[str, Field(min_length=1, max_length=128, description="Registered model, as in models:/NAME/VERSION.")]
Number = Annotated[str, Field(pattern=r"^[0-9]+$", description="Number of the version, as MLflow shows it.")]
Decision = Annotated[
    Literal["approve", "reject", "waive"],
    Field(description="A rejection stands until the same key approves; a waiver is for one gate."),
]
Reason = Annotated[str, Field(min_length=1, max_length=2000, description="Why; it is signed and stays readable.")]
Key = Annotated[
    str,
    Field(max_length=63, description="Registered name of a key that lies in this home; empty: the development key."),
]
Gate = Annotated[str, Field(max_length=200, description="Only to waive: the gate as the scorecard names it.")]
Until = Annotated[datetime.date | None, Field(description="Only to waive: the last day it holds (UTC).")]


@flow(name="decide", flow_run_name="{decision}-{name}-{version}", persist_result=False)
def decide(  # noqa: PLR0917 - Prefect calls it by name; the fields of the form stand in this order
    name: Name, version: Number, decision: Decision, reason: Reason, key: Key = "", gate: Gate = "", until: Until = None
) -> Any:
    """Sign a decision on a version's release. Ends Failed where nothing was signed."""
    signed = sign(name, version, decision, reason, key=key, gate=gate, until=until)
    return Completed(message=signed.sentence())
