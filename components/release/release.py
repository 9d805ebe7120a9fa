"""Sealing a release: the payload byte for byte, and the signed envelope beside it.

Layout of ``<releases root>/<name>/<payload digest, 12 hex>/``::

    payload/      copy of the payload, every file listed in payload.json
    envelope/     evidence.json, verdict.json, provenance.json, card.md, card.zh.md,
                  statement.json: DSSE over an in-toto statement that names the digest of each of them
    approvals/    DSSE envelopes, one a decision of a person

Sealing does not judge: a refused candidate may be sealed so that a waiver can name it. ``verify`` says whether it
may be promoted. A folder appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.core.errors import ConfigError, IntegrityError
from components.core.evidence import Evidence, Verdict
from components.core.hashing import digest_file, digest_files, digest_value, usable_cores
from components.core.jsonfiles import read_json
from components.core.payload import PAYLOAD_FILE, json_text, read_manifest, verify_payload, walk_files
from components.core.store import MANIFEST
from components.release.cards import CardFacts, model_card
from components.release.config import check_name
from components.release.dsse import read_envelope, write_envelope
from components.release.keys import SigningKey
from components.release.statement import (
    GateOutcome,
    VerdictPredicate,
    VerdictStatement,
    parse_verdict_statement,
    payload_subject,
)

PAYLOAD_DIR = "payload"
ENVELOPE_DIR = "envelope"
APPROVALS_DIR = "approvals"
STATEMENT_FILE = "statement.json"
ENVELOPE_FILES = ("card.md", "card.zh.md", "evidence.json", "provenance.json", "verdict.json")

_DIGEST_CHARACTERS = 12
_SUPERSEDED = ".superseded"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Release:
    """A sealed release on disk."""

    folder: Path
    name: str
    payload_digest: str
    reused: bool

    @property
    def payload(self) -> Path:
        """Folder of the payload."""
        return self.folder / PAYLOAD_DIR


def seal_release(
    payload: Path,
    evidence: Path,
    verdict: Path,
    provenance: Mapping[str, Any],
    key: SigningKey,
    *,
    releases_root: Path,
    name: str,
    data_digests: Mapping[str, str],
    now: datetime,
) -> Release:
    """Copy, describe and sign. Sealing the same things with the same key again returns the release as it stands.

    A release of the same payload with another verdict takes the old one's place, which moves to ``.superseded``:
    approvals name a verdict, so they do not carry over.

    Args:
        payload: Payload folder; it is verified.
        evidence: Folder with ``evidence.json``; its other files are bound by digest but stay behind.
        verdict: Folder with ``verdict.json``.
        provenance: JSON-able chain of artefact digests.
        key: Signs the statement.
        releases_root: Folder of all releases.
        name: Name of the registered model.
        data_digests: Role to digest of the data artefacts behind the payload.
        now: Time of sealing.

    Raises: IntegrityError if the payload does not verify, or evidence or verdict are about another payload.
    """
    check_name(name)
    digest = read_manifest(payload).digest()
    final = release_folder(releases_root, name, digest)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        _copy_payload(payload, temporary / PAYLOAD_DIR)
        (temporary / APPROVALS_DIR).mkdir()
        _fill_envelope(temporary, evidence, verdict, provenance, digest)
        predicate = VerdictPredicate(
            name=name,
            **_judgement(temporary / ENVELOPE_DIR),
            data_digests=dict(data_digests),
            evidence_digest=digest_value(digest_files(evidence, exclude=[MANIFEST])),
            envelope=digest_files(temporary / ENVELOPE_DIR),
            created=now.astimezone(UTC),
            development=key.record.development,
        )
        statement = VerdictStatement(subject=payload_subject(name, digest), predicate=predicate)
        if _is_sealed_already(final, statement, key):
            return Release(final, name, digest, reused=True)
        signed = key.sign_statement(statement.model_dump(mode="json"))
        write_envelope(signed, temporary / ENVELOPE_DIR / STATEMENT_FILE)
        _put_in_place(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Release(final, name, digest, reused=False)


def release_folder(releases_root: Path, name: str, payload_digest: str) -> Path:
    """Where the release of a payload lies."""
    return releases_root / name / payload_digest.removeprefix("sha256:")[:_DIGEST_CHARACTERS]


def read_verdict(folder: Path) -> Verdict:
    """The verdict of a release or verdict folder. Raises IntegrityError if it cannot be read."""
    path = folder / "verdict.json"
    try:
        return Verdict.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise IntegrityError(f"{path}: not a readable verdict; judge the evidence again") from error


def read_evidence(folder: Path) -> Evidence:
    """The evidence of a release or evidence folder. Raises IntegrityError if it cannot be read."""
    path = folder / "evidence.json"
    try:
        return Evidence.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise IntegrityError(f"{path}: not readable evidence; evaluate again") from error


def _copy_payload(payload: Path, target: Path) -> None:
    """Copy what the manifest lists. What is written is what was hashed, so each file is read once."""
    files = read_manifest(payload).files
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
    same = set(walk_files(payload)) - {PAYLOAD_FILE, MANIFEST} == set(files)
    cores = usable_cores()
    with ThreadPoolExecutor(cores) as copying, ThreadPoolExecutor(cores) as hashing:
        largest_first = sorted(files, key=lambda name: -files[name].bytes) if same else []
        copied = copying.map(lambda name: _copy_hashed(payload / name, target / name, hashing), largest_first)
        same = same and all(files[name].sha256 == found for name, found in zip(largest_first, copied, strict=True))
    shutil.copyfile(payload / PAYLOAD_FILE, target / PAYLOAD_FILE, follow_symlinks=False)
    if not same or read_manifest(target).files != files:
        verify_payload(payload)  # says which file it is
        raise IntegrityError(f"{payload}: changed while it was copied; run the release again")


def _copy_hashed(source: Path, target: Path, hashing: Executor) -> str:
    """Copy a file; the SHA-256 of the bytes written, hex.

    One thread hashes a chunk while the other writes it and reads the next one into the other buffer.
    """
    size = min(_CHUNK_BYTES, source.stat().st_size) or 1
    hasher, buffers = hashlib.sha256(), [memoryview(bytearray(size)) for _ in range(2)]
    hashed: Future[None] | None = None
    with source.open("rb", buffering=0) as reader, target.open("xb", buffering=0) as writer:
        while count := reader.readinto(buffers[0]):
            chunk = buffers[0][:count]
            if hashed is not None:
                hashed.result()
            hashed = hashing.submit(hasher.update, chunk)
            written = 0
            while written < count:
                written += writer.write(chunk[written:])
            buffers.reverse()
    if hashed is not None:
        hashed.result()
    return hasher.hexdigest()


def _fill_envelope(release: Path, evidence: Path, verdict: Path, provenance: Mapping[str, Any], digest: str) -> None:
    target = release / ENVELOPE_DIR
    target.mkdir()
    judged, measured = read_verdict(verdict), read_evidence(evidence)
    for what, found in (("verdict", judged.payload_digest), ("evidence", measured.payload_digest)):
        if found != digest:
            raise IntegrityError(f"the {what} is about payload {found[:19]}, not {digest[:19]}; evaluate this payload")
    shutil.copyfile(verdict / "verdict.json", target / "verdict.json")
    shutil.copyfile(evidence / "evidence.json", target / "evidence.json")
    try:
        (target / "provenance.json").write_text(json_text(dict(provenance)), encoding="utf-8")
    except TypeError as error:
        raise ConfigError("provenance holds a value that JSON cannot; give digests and names") from error
    privacy = {
        part: read_json(path)
        for part in ("language_model", "model")
        if (path := release / PAYLOAD_DIR / part / "privacy.json").is_file()
    }
    facts = CardFacts(read_manifest(release / PAYLOAD_DIR), measured, judged, provenance, privacy)
    (target / "card.md").write_text(model_card(facts, "en"), encoding="utf-8")
    (target / "card.zh.md").write_text(model_card(facts, "zh"), encoding="utf-8")


def _judgement(envelope: Path) -> dict[str, Any]:
    """What the statement says of the verdict, read from the copy that it binds."""
    verdict = read_verdict(envelope)
    gates = (GateOutcome(name=g.name, severity=g.severity, decision=g.decision) for g in verdict.gates)
    return {
        "decision": verdict.decision,
        "gates": tuple(gates),
        "verdict_digest": digest_file(envelope / "verdict.json"),
        "config_digest": verdict.config_digest,
    }


def _is_sealed_already(final: Path, statement: VerdictStatement, key: SigningKey) -> bool:
    """Whether the release in place says the same, signed by the same key. A damaged one counts as no."""
    path = final / ENVELOPE_DIR / STATEMENT_FILE
    if not path.exists():
        return False
    try:
        envelope = read_envelope(path)
        before = parse_verdict_statement(envelope.body())
        verify_payload(final / PAYLOAD_DIR, ignore=())
    except IntegrityError:
        return False
    same_time = before.predicate.model_copy(update={"created": statement.predicate.created})
    signers = {signature.keyid for signature in envelope.signatures}
    return same_time == statement.predicate and signers == {key.record.keyid}


def _put_in_place(temporary: Path, final: Path) -> None:
    if final.exists():
        shelf = final.parent / _SUPERSEDED
        shelf.mkdir(exist_ok=True)
        number = 1 + sum(1 for path in shelf.iterdir() if path.name.startswith(f"{final.name}."))
        final.rename(shelf / f"{final.name}.{number}")
    temporary.rename(final)
