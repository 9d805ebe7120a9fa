"""Attacks on releases, signatures, keys and policies: neither the program nor the server promotes, and nothing loads.

Each attack gets an approved release of a model of its own. What it did is met at three doors: the program's promotion,
the alias by REST, and the loader after the alias was written into the database by hand.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from testkit.attacked import DAY, STRICT, World, rewrite
from testkit.sealed import seal_tiny

from components.core.errors import ConfigError
from components.core.payload import read_manifest
from components.release.approvals import reject, waive
from components.release.keys import KeyRing
from components.release.policy import PolicyPins
from tasks.release_control import sign_decision

pytestmark = [pytest.mark.servers]


@dataclass
class Target:
    """An approved release of a model that nobody else uses."""

    world: World
    name: str
    folder: Path
    version: str

    @property
    def approval(self) -> Path:
        return next((self.folder / "approvals").glob("approve-*"))


@dataclass(frozen=True)
class Tampering:
    """``loads`` tells what the loader says where that differs; ``approved`` is False where the attack approves."""

    name: str
    act: Callable[[Target], object]
    says: str
    loads: str | None = None
    approved: bool = True
    decision: str = "pass"


def _flip(name: str) -> Callable[[Target], object]:
    """Change one byte of a file."""

    def act(target: Target) -> None:
        path = target.folder / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))

    return act


def _add(name: str, data: bytes = b"{}") -> Callable[[Target], object]:
    def act(target: Target) -> None:
        (target.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (target.folder / name).write_bytes(data)

    return act


def _list_in_manifest(name: str) -> Callable[[Target], object]:
    """A file smuggled in and listed in the payload's manifest, digest and all."""

    def act(target: Target) -> None:
        entry = {"sha256": "0" * 64, "bytes": 4}
        rewrite(target.folder / "payload" / "payload.json", lambda value: value["files"].update({name: entry}))

    return act


def _link(target: Target) -> None:
    weights = target.folder / "payload" / "model" / "model.safetensors"
    outside = target.world.settings.home / "tests" / "linked"
    shutil.move(weights, outside)
    weights.symlink_to(outside)


def _truncate(target: Target) -> None:
    weights = target.folder / "payload" / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


def _remove(name: str) -> Callable[[Target], object]:
    return lambda target: (target.folder / name).unlink()


def _edit_statement(target: Target) -> None:
    """The signed verdict rewritten, the signature left as it was."""

    def change(envelope: dict[str, str]) -> None:
        body = json.loads(base64.b64decode(envelope["payload"]))
        body["predicate"]["config_digest"] = "sha256:other"
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        envelope["payload"] = base64.b64encode(text.encode()).decode()

    rewrite(target.folder / "envelope" / "statement.json", change)


def _edit_approval(target: Target) -> None:
    rewrite(target.approval, lambda value: value["signatures"][0].update(sig=base64.b64encode(b"0" * 64).decode()))


def _replay_envelope(target: Target) -> None:
    """Another release's whole envelope over this payload."""
    other = target.world.seal(target.name)
    shutil.rmtree(target.folder / "envelope")
    shutil.copytree(other / "envelope", target.folder / "envelope")


def _replay_verdict(target: Target) -> None:
    other = target.world.seal(target.name)
    shutil.copy(other / "envelope" / "verdict.json", target.folder / "envelope" / "verdict.json")


def _replay_approval(target: Target) -> None:
    other = target.world.seal(target.name)
    shutil.copy(target.world.approve(other), target.folder / "approvals")


def _weaken_sealed_policy(target: Target) -> None:
    def change(provenance: dict[str, dict[str, object]]) -> None:
        provenance["release_policy"]["allow_development_keys"] = True

    rewrite(target.folder / "envelope" / "provenance.json", change)


def _approve_by(key: str, **options: object) -> Callable[[Target], object]:
    return lambda target: target.world.approve(target.folder, key, **options)  # type: ignore[arg-type]


def _approve_by_development_key(target: Target) -> None:
    target.world.keys.development_key("approver", now=datetime.now(UTC))
    target.world.approve(target.folder, "development-approver")


def _approve_by_stranger(target: Target) -> None:
    """A key with the right name and role, made in a folder of the attacker's own."""
    ring = KeyRing(target.world.settings.home / "tests" / "strangers")
    if not (ring.folder / "ada.json").exists():
        ring.create("ada", "approver", now=datetime.now(UTC))
    shutil.rmtree(target.folder / "approvals")
    _approve_with(ring, target, "ada")


def _approve_with(ring: KeyRing, target: Target, key: str) -> None:
    from components.release.approvals import approve

    (target.folder / "approvals").mkdir(exist_ok=True)
    now = datetime.now(UTC)
    approve(target.folder, ring.signer(key), reason="fine", expires=now + DAY, now=now)


def _approve_then_revoke(target: Target) -> None:
    name = f"gone-{target.name}"
    target.world.keys.create(name, "approver", now=datetime.now(UTC))
    target.world.approve(target.folder, name)
    target.world.keys.revoke(name, reason="laptop lost", now=datetime.now(UTC))


def _revoke_sealer(target: Target) -> None:
    """Sealed again by a key that is revoked afterwards."""
    name = f"sealer-{target.name}"
    target.world.keys.create(name, "trainer", now=datetime.now(UTC))
    payload = target.world.settings.home / "tests" / f"{target.name}-copy"
    shutil.copytree(target.folder / "payload", payload)
    seal_tiny(target.world.settings, seed=0, name=target.name, policy=STRICT,
              key=target.world.keys.signer(name), payload=payload)  # fmt: skip
    target.world.approve(target.folder)
    target.world.keys.revoke(name, reason="left", now=datetime.now(UTC))


def _delete_rejection(target: Target) -> None:
    ada, bea = (target.world.settings.keys_folder / f"{key}.pem" for key in ("ada", "bea"))
    path, _ = sign_decision("reject", target.folder, "harmful", settings=target.world.settings, key_file=bea)
    assert ada.exists()
    path.unlink()


def _reject(target: Target) -> None:
    reject(target.folder, target.world.keys.signer("bea"), reason="harmful", now=datetime.now(UTC))


def _replay_waiver(target: Target) -> None:
    other = target.world.seal(target.name, decision="fail")
    now = datetime.now(UTC)
    key = target.world.keys.signer("ada")
    shutil.copy(
        waive(other, key, gate="accuracy", reason="known", until=now + DAY, now=now), target.folder / "approvals"
    )


def _corrupt_key(target: Target) -> None:
    (target.world.settings.keys_folder / "zz-corrupt.json").write_text("{")


def _loosen_policy(target: Target) -> None:
    PolicyPins(target.world.settings.keys_folder).path(target.name).chmod(0o666)


def _break_policy(target: Target) -> None:
    PolicyPins(target.world.settings.keys_folder).path(target.name).write_text("required_approvals: []\n")


def _in_mlflow(change: Callable[[Path], None]) -> Callable[[Target], object]:
    return lambda target: change(target.world.mlflow_copy(target.name, target.version))


def _hostile_code(folder: Path) -> None:
    with (folder / "serving.py").open("a") as file:
        file.write("\nimport os\n")


def _mlflow_weights(folder: Path) -> None:
    (folder / "artifacts" / "payload" / "model" / "model.safetensors").write_bytes(b"\x00\x01\x02\x04")


def _mlflow_pickle(folder: Path) -> None:
    (folder / "python_model.pkl").write_bytes(b"\x80\x04N.")


def _source_by_sql(target: Target) -> None:
    """The version's bytes swapped for another version's, in the database."""
    place = target.world.client.get_model_version("guarded", "2").source
    other = target.world.mlflow_copy("guarded", "2").as_uri()
    target.world.by_sql(
        "update model_versions set source = ?, storage_location = ? where name = ?", place, other, target.name
    )


_KEPT = r"payload: .*(changed|missing|extra): "
TAMPERINGS = (
    Tampering("weight", _flip("payload/model/model.safetensors"), _KEPT + r"model/model\.safetensors"),
    Tampering("filter", _flip("payload/filter/filter.json"), _KEPT + r"filter/filter\.json"),
    Tampering("tokenizer", _flip("payload/model/tokenizer.json"), _KEPT + r"model/tokenizer\.json"),
    Tampering("code", _add("payload/code/components/__init__.py", b"import os"), _KEPT + "code/components"),
    Tampering("manifest", _flip("payload/payload.json"), "payload manifest|payload.json|another payload|not this one"),
    Tampering("truncated", _truncate, _KEPT + r"model/model\.safetensors"),
    Tampering("file added", _add("payload/model/extra.json"), _KEPT + r"model/extra\.json"),
    Tampering("file removed", _remove("payload/filter/filter.json"), _KEPT + r"filter/filter\.json"),
    Tampering("pickle added", _add("payload/model/weights.pkl", b"\x80\x04N."), _KEPT + r"model/weights\.pkl"),
    Tampering("pickle listed", _list_in_manifest("model/weights.pkl"), "not a readable payload manifest"),
    Tampering("path out of the payload", _list_in_manifest("../../keys/ada.json"), "not a readable payload manifest"),
    Tampering("symbolic link", _link, "a link or a special file"),
    Tampering("file beside the payload", _add("run.py"), r"layout: extra: run\.py"),
    Tampering("verdict", _flip("envelope/verdict.json"), r"envelope/verdict\.json: changed|not a readable verdict"),
    Tampering("verdict missing", _remove("envelope/verdict.json"), r"verdict\.json"),
    Tampering("evidence", _flip("envelope/evidence.json"), r"envelope/evidence\.json: changed|evidence"),
    Tampering("card", _flip("envelope/card.md"), r"envelope/card\.md: changed"),
    Tampering("statement", _edit_statement, "signature by .* does not fit the content"),
    Tampering("statement missing", _remove("envelope/statement.json"), "not a sealed release|statement.json"),
    Tampering("another version's verdict", _replay_verdict, r"envelope/verdict\.json: changed"),
    Tampering("another version's envelope", _replay_envelope, "about another payload"),
    Tampering("another version's approval", _replay_approval, "is about another payload", approved=False),
    Tampering("weaker policy in the release", _weaken_sealed_policy, r"envelope/provenance\.json: changed"),
    Tampering("approval", _edit_approval, "signature by .* does not fit the content"),
    Tampering(
        "approval expired", _approve_by("ada", at=datetime.now(UTC) - 40 * DAY), "approvals/state: expired",
        loads="by the audit log it is never set", approved=False,
    ),
    Tampering("approval ahead of its time", _approve_by("ada", at=datetime.now(UTC) + 2 * DAY),
              "approvals/state: pending", approved=False),
    Tampering("approval by the sealing key", _approve_by("terry"), "approvals/state: pending", approved=False),
    Tampering("approval by another role", _approve_by("rob"), "approvals/state: pending", approved=False),
    Tampering("approval by a stranger's key", _approve_by_stranger, "signed by a key that is not registered",
              approved=False),
    Tampering("approval by a revoked key", _approve_then_revoke, "approvals/state: pending", approved=False),
    Tampering("approval by a development key", _approve_by_development_key, "approvals/state: pending",
              approved=False),
    Tampering("sealing key revoked", _revoke_sealer, "was revoked on"),
    Tampering("rejected", _reject, "approvals/state: rejected"),
    Tampering("rejection deleted", _delete_rejection, "was signed and is gone"),
    Tampering("refused by a gate", lambda _: None, "verdict/accuracy: fail", decision="fail"),
    Tampering("another payload's waiver", _replay_waiver, "is about another payload", decision="fail"),
    Tampering("policy file that others may write", _loosen_policy, "only its owner may touch"),
    Tampering("policy file that says nothing", _break_policy, "not a readable approval policy"),
    Tampering("weights in MLflow's copy", _in_mlflow(_mlflow_weights), "MLflow|changed: model/model"),
    Tampering("pickle in MLflow's copy", _in_mlflow(_mlflow_pickle), r"python_model\.pkl in MLflow's copy"),
    Tampering("code in MLflow's copy", _in_mlflow(_hostile_code), r"serving\.py in MLflow's copy is not the code"),
    Tampering("source in the database", _source_by_sql, "MLflow's copy of|another payload"),
    Tampering("corrupt key file", _corrupt_key, "not a readable key record"),
)  # fmt: skip


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name.replace(" ", "-"))
def test_what_was_tampered_with_is_neither_promoted_nor_loaded(world: World, tampering: Tampering) -> None:
    name = re.sub("[^a-z]", "-", tampering.name)
    folder, version = world.release(name, approved=tampering.approved, decision=tampering.decision)
    target = Target(world, name, folder, version)
    tampering.act(target)
    try:
        told = world.promotion(name, version)
        assert re.search(tampering.says, told), told
        by_rest = world.set_alias(name, version)
        assert re.search(f"^403 .*({tampering.says})", by_rest), by_rest
        assert world.standing(name) == ""
        world.alias_by_sql(name, version)
        assert world.loading(name)
        assert re.search(tampering.loads or "by the audit log it is never set|keys|policy", world.loading(name))
        assert [record.outcome for record in world.log().records[-1:]] == ["refused"]
    finally:
        (world.settings.keys_folder / "zz-corrupt.json").unlink(missing_ok=True)


def test_a_policy_cannot_be_weakened_by_sealing_again(world: World) -> None:
    weak = STRICT.model_copy(update={"allow_development_keys": True})
    with pytest.raises(
        ConfigError, match=r"policy-guarded\.yaml: pins another approval policy .*allow_development_keys"
    ):
        world.seal("guarded", policy=weak)


@pytest.mark.parametrize("what", ["payload", "key"])
def test_what_is_in_production_stops_loading_when_it_no_longer_holds(world: World, what: str) -> None:
    name = f"production-{what}"
    folder, version = world.release(name, approved=False)
    world.keys.create(f"carl-{what}", "approver", now=datetime.now(UTC))
    world.approve(folder, f"carl-{what}")
    assert world.promotion(name, version) == ""
    assert world.serving(name) == ""
    if what == "key":
        world.keys.revoke(f"carl-{what}", reason="laptop lost", now=datetime.now(UTC))
    else:
        (folder / "payload" / "model" / "model.safetensors").write_bytes(b"other")
    expected = "approvals/state: pending" if what == "key" else "payload: "
    assert re.search(expected, world.serving(name))
    assert re.search(expected, world.loading(name))
    assert read_manifest(folder / "payload").files
