"""In-toto statements: what a gate verdict and an approval say, and about which payload.

Shape: in-toto Statement v1 (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) with one subject,
the payload, whose SHA-256 is the payload digest. The predicates are our own.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from components.core.errors import IntegrityError
from components.release.config import ROLE_PATTERN

STATEMENT_V1: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
VERDICT_PREDICATE: Literal["urn:touchstone:ethics-gate-verdict:v1"] = "urn:touchstone:ethics-gate-verdict:v1"
DECISION_PREDICATE: Literal["urn:touchstone:release-decision:v1"] = "urn:touchstone:release-decision:v1"


class _Frozen(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True
    )


class Digest(_Frozen):
    """SHA-256 without a prefix, as in-toto writes it."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Subject(_Frozen):
    """What a statement is about."""

    name: str
    digest: Digest


class GateOutcome(_Frozen):
    """One row of the verdict."""

    name: str
    severity: str
    decision: str


class VerdictPredicate(_Frozen):
    """Binds a verdict, everything it rests on and everything beside it to the payload."""

    name: str = Field(description="Name of the release.")
    decision: Literal["pass", "fail"]
    gates: tuple[GateOutcome, ...]
    verdict_digest: str
    config_digest: str
    data_digests: dict[str, str] = Field(description="Role to digest of every data artefact behind the payload.")
    evidence_digest: str = Field(description="Digest over all files of the evidence folder.")
    envelope: dict[str, str] = Field(description="File of the envelope to digest, this statement's own excepted.")
    created: AwareDatetime
    development: bool = Field(description="Signed with a development key.")


class DecisionPredicate(_Frozen):
    """Somebody approved, rejected or waived; who is the signature's key."""

    kind: Literal["approve", "reject", "waive"]
    role: str = Field(pattern=ROLE_PATTERN, description="For readers; what counts is the role of the registered key.")
    verdict_digest: str
    gate: str | None = Field(default=None, description="The gate that a waiver is for.")
    reason: str = Field(min_length=1)
    created: AwareDatetime
    expires: AwareDatetime | None = Field(description="None for a rejection, which stands until taken back.")
    development: bool


class VerdictStatement(_Frozen):
    """Statement over a gate verdict."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(default=STATEMENT_V1, alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1, max_length=1)
    predicate_type: Literal["urn:touchstone:ethics-gate-verdict:v1"] = Field(
        default=VERDICT_PREDICATE, alias="predicateType"
    )
    predicate: VerdictPredicate


class DecisionStatement(_Frozen):
    """Statement over a person's decision."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(default=STATEMENT_V1, alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1, max_length=1)
    predicate_type: Literal["urn:touchstone:release-decision:v1"] = Field(
        default=DECISION_PREDICATE, alias="predicateType"
    )
    predicate: DecisionPredicate


def payload_subject(name: str, payload_digest: str) -> tuple[Subject, ...]:
    """The one subject of our statements."""
    return (Subject(name=name, digest=Digest(sha256=payload_digest.removeprefix("sha256:"))),)


def subject_digest(statement: VerdictStatement | DecisionStatement) -> str:
    """The payload digest that a statement is about."""
    return "sha256:" + statement.subject[0].digest.sha256


def parse_verdict_statement(body: bytes) -> VerdictStatement:
    """Read a verified body. Raises IntegrityError if it is another kind of statement."""
    try:
        return VerdictStatement.model_validate_json(body)
    except ValidationError as error:
        raise IntegrityError("not a gate-verdict statement; distrust it") from error


def parse_decision_statement(body: bytes) -> DecisionStatement:
    """Read a verified body. Raises IntegrityError if it is another kind of statement."""
    try:
        return DecisionStatement.model_validate_json(body)
    except ValidationError as error:
        raise IntegrityError("not a release-decision statement; distrust it") from error
