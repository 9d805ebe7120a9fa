from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from testkit.releases import DAY, NOW, POLICY, Workshop, gate, make_workshop, write_judgement

from components.core.errors import ConfigError, IntegrityError
from components.core.evidence import GateDecision
from components.core.payload import walk_files
from components.release.approvals import ApprovalState, approve, read_approvals, reject, waive
from components.release.config import ReleaseConfig
from components.release.release import Release
from components.release.verify import promotable, servable, verify_release


@pytest.fixture
def policy() -> ReleaseConfig:
    return POLICY


@pytest.fixture
def sealed(workshop: Workshop) -> Release:
    """A sealed release with both approvals."""
    release = workshop.seal()
    _approve_both(workshop, release)
    return release


def _approve_both(workshop: Workshop, release: Release, *, now: datetime = NOW) -> None:
    for name in ("ella", "petra"):
        approve(release.folder, workshop.keys.signer(name), reason="looks right", expires=now + 20 * DAY, now=now)


def _failures(workshop: Workshop, release: Release, policy: ReleaseConfig, *, now: datetime = NOW) -> str:
    tree = verify_release(release.folder, workshop.keys, policy, now=now)
    assert tree.ok == (not tree.failures())
    return "\n".join(tree.failures())


def test_a_complete_release_may_be_promoted(workshop: Workshop, sealed: Release, policy: ReleaseConfig) -> None:
    assert promotable(sealed.folder, workshop.keys, policy, now=NOW) == workshop.digest
    tree = verify_release(sealed.folder, workshop.keys, policy, now=NOW)
    assert (tree.ok, tree.state, tree.development) == (True, ApprovalState.APPROVED, False)
    assert all(line.lstrip().startswith("✓") for line in tree.lines())


def test_one_flipped_bit_in_any_file_is_found(workshop: Workshop, sealed: Release, policy: ReleaseConfig) -> None:
    names = walk_files(sealed.folder)
    assert len(names) == 15  # 6 payload files and their list, 5 of the envelope and the statement, 2 approvals
    for name in names:
        path = sealed.folder / name
        good = path.read_bytes()
        for position in {0, len(good) // 2, len(good) - 1} if good else set():
            bad = bytearray(good)
            bad[position] ^= 1
            path.write_bytes(bad)
            assert _failures(workshop, sealed, policy), f"{name} at byte {position}"
        path.write_bytes(good + b"\n")
        assert _failures(workshop, sealed, policy), f"{name} with a line more"
        path.write_bytes(good)
    assert not _failures(workshop, sealed, policy)


def test_every_removed_file_is_found(workshop: Workshop, sealed: Release, policy: ReleaseConfig) -> None:
    for name in walk_files(sealed.folder):
        path = sealed.folder / name
        good = path.read_bytes()
        path.unlink()
        assert _failures(workshop, sealed, policy), name
        path.write_bytes(good)


@pytest.mark.parametrize(
    "name",
    [
        "payload/model/pytorch_model.bin",
        "payload/extra.json",
        "payload/manifest.json",
        "payload/code/components/__pycache__/__init__.cpython-311.pyc",
        "envelope/notes.md",
        "approvals/approve-someone-000000000000.json",
        "readme.md",
        "other/file.json",
    ],
)
def test_an_added_file_is_found(workshop: Workshop, sealed: Release, policy: ReleaseConfig, name: str) -> None:
    (sealed.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (sealed.folder / name).write_text("{}", encoding="utf-8")
    assert Path(name).name in _failures(workshop, sealed, policy)


def test_a_link_is_found_even_if_it_leads_to_the_same_bytes(
    workshop: Workshop, sealed: Release, policy: ReleaseConfig, tmp_path: Path
) -> None:
    path = sealed.folder / "payload" / "model" / "model.safetensors"
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "link" in _failures(workshop, sealed, policy)


def test_a_verdict_edited_to_pass_is_found(tmp_path: Path, policy: ReleaseConfig) -> None:
    workshop = make_workshop(tmp_path, [gate("flips"), gate("exposure", GateDecision.FAIL)])
    release = workshop.seal()
    _approve_both(workshop, release)
    assert "verdict/exposure: fail" in _failures(workshop, release, policy)
    path = release.folder / "envelope" / "verdict.json"
    path.write_text(path.read_text().replace('"fail"', '"pass"'))
    failures = _failures(workshop, release, policy)
    assert "envelope/verdict.json: changed since it was signed" in failures
    assert "is about another verdict" in failures


def test_a_refused_verdict_needs_a_waiver_of_every_refusal(tmp_path: Path, policy: ReleaseConfig) -> None:
    workshop = make_workshop(
        tmp_path, [gate("flips"), gate("exposure", GateDecision.FAIL), gate("seat", GateDecision.INCONCLUSIVE)]
    )
    release = workshop.seal()
    _approve_both(workshop, release)
    ella = workshop.keys.signer("ella")
    waive(release.folder, ella, gate="exposure", reason="synthetic canaries", until=NOW + 5 * DAY, now=NOW)
    assert _failures(workshop, release, policy).startswith("verdict/seat: inconclusive")
    waive(release.folder, ella, gate="seat", reason="too few words", until=NOW + 90 * DAY, now=NOW)
    assert not _failures(workshop, release, policy)
    assert "verdict/exposure" in _failures(workshop, release, policy, now=NOW + 5 * DAY)
    assert "verdict/seat" in _failures(workshop, release, policy, now=NOW + 14 * DAY)


def test_only_a_refusing_gate_can_be_waived_and_only_by_an_entitled_role(tmp_path: Path, policy: ReleaseConfig) -> None:
    workshop = make_workshop(tmp_path, [gate("flips"), gate("exposure", GateDecision.FAIL)])
    release = workshop.seal()
    _approve_both(workshop, release)
    petra = workshop.keys.signer("petra")
    with pytest.raises(ConfigError, match="to waive: exposure"):
        waive(release.folder, petra, gate="flips", reason="no", until=NOW + DAY, now=NOW)
    waive(release.folder, petra, gate="exposure", reason="no", until=NOW + DAY, now=NOW)
    assert "verdict/exposure" in _failures(workshop, release, policy)


def test_a_verdict_cannot_waive_by_itself(tmp_path: Path, policy: ReleaseConfig) -> None:
    workshop = make_workshop(tmp_path, [gate("flips"), gate("exposure", GateDecision.WAIVED)])
    release = workshop.seal()
    _approve_both(workshop, release)
    assert "verdict/exposure: waived" in _failures(workshop, release, policy)


def test_a_verdict_in_which_nothing_passed_does_not_pass(tmp_path: Path, policy: ReleaseConfig) -> None:
    workshop = make_workshop(tmp_path, [gate("flips", GateDecision.NOT_APPLICABLE), gate("warns", severity="warn")])
    release = workshop.seal()
    _approve_both(workshop, release)
    assert "no blocking gate passed" in _failures(workshop, release, policy)


def test_a_release_waits_for_every_role(workshop: Workshop, policy: ReleaseConfig) -> None:
    release = workshop.seal()
    assert "pending; needs 1 more of role ethics, 1 more of role privacy" in _failures(workshop, release, policy)
    approve(release.folder, workshop.keys.signer("ella"), reason="fine", expires=NOW + DAY, now=NOW)
    assert "pending; needs 1 more of role privacy" in _failures(workshop, release, policy)
    with pytest.raises(IntegrityError, match="1 more of role privacy"):
        promotable(release.folder, workshop.keys, policy, now=NOW)


def test_the_same_key_twice_is_one_approval(workshop: Workshop, policy: ReleaseConfig) -> None:
    release = workshop.seal()
    two = policy.model_copy(
        update={"required_approvals": (policy.required_approvals[0].model_copy(update={"count": 2}),)}
    )
    for hour in range(3):
        now = NOW + timedelta(hours=hour)
        approve(release.folder, workshop.keys.signer("ella"), reason="fine", expires=now + DAY, now=now)
    assert "1 more of role ethics" in _failures(workshop, release, two, now=NOW + timedelta(hours=3))


def test_an_approval_of_the_wrong_role_does_not_count(workshop: Workshop, policy: ReleaseConfig) -> None:
    release = workshop.seal()
    approve(release.folder, workshop.keys.signer("rob"), reason="fine", expires=NOW + DAY, now=NOW)
    tree = verify_release(release.folder, workshop.keys, policy, now=NOW)
    assert "role release of key rob is not entitled to approve" in "\n".join(tree.lines())
    assert tree.state is ApprovalState.PENDING


def test_the_role_is_the_registered_one_not_the_claimed_one(workshop: Workshop, policy: ReleaseConfig) -> None:
    release = workshop.seal()
    signer = workshop.keys.signer("rob")
    signer.record = signer.record.model_copy(update={"role": "ethics"})
    approve(release.folder, signer, reason="fine", expires=NOW + DAY, now=NOW)
    assert "1 more of role ethics" in _failures(workshop, release, policy)


def test_an_approval_of_another_payload_cannot_be_replayed(
    workshop: Workshop, tmp_path: Path, policy: ReleaseConfig
) -> None:
    other = make_workshop(tmp_path / "other", weights=b"other weights", keys=workshop.keys)
    elsewhere = other.seal()
    _approve_both(other, elsewhere)
    release = workshop.seal()
    for path in (elsewhere.folder / "approvals").iterdir():
        shutil.copy(path, release.folder / "approvals" / path.name)
    failures = _failures(workshop, release, policy)
    assert failures.count("is about another payload") == 2
    assert "pending" in failures


def test_an_approval_of_another_verdict_on_the_same_payload_does_not_carry_over(
    workshop: Workshop, sealed: Release, policy: ReleaseConfig
) -> None:
    kept = {path.name: path.read_bytes() for path in (sealed.folder / "approvals").iterdir()}
    write_judgement(workshop.root, workshop.digest, [gate("flips")], created="2030-05-02")
    again = workshop.seal()
    assert again.folder == sealed.folder
    assert not again.reused
    assert "pending" in _failures(workshop, again, policy)
    for name, data in kept.items():
        (again.folder / "approvals" / name).write_bytes(data)
    assert _failures(workshop, again, policy).count("is about another verdict") == 2


def test_approvals_expire_for_promotion_but_not_for_serving(
    workshop: Workshop, sealed: Release, policy: ReleaseConfig
) -> None:
    late = NOW + 20 * DAY
    assert promotable(sealed.folder, workshop.keys, policy, now=late - timedelta(seconds=1)) == workshop.digest
    assert "approvals/state: expired" in _failures(workshop, sealed, policy, now=late)
    assert servable(sealed.folder, workshop.keys, policy, now=late) == workshop.digest


def test_the_policy_shortens_a_longer_approval(workshop: Workshop, policy: ReleaseConfig) -> None:
    release = workshop.seal()
    for name in ("ella", "petra"):
        approve(release.folder, workshop.keys.signer(name), reason="fine", expires=NOW + 900 * DAY, now=NOW)
    assert not _failures(workshop, release, policy, now=NOW + 29 * DAY)
    assert "expired" in _failures(workshop, release, policy, now=NOW + 30 * DAY)


def test_an_approval_from_the_future_does_not_count(workshop: Workshop, policy: ReleaseConfig) -> None:
    release = workshop.seal()
    _approve_both(workshop, release, now=NOW + DAY)
    assert "pending" in _failures(workshop, release, policy)
    assert not _failures(workshop, release, policy, now=NOW + DAY)


@pytest.mark.parametrize("name", ["terry", "ella"])
def test_a_revoked_key_stops_promotion_and_serving(
    workshop: Workshop, sealed: Release, policy: ReleaseConfig, name: str
) -> None:
    workshop.keys.revoke(name, reason="leaked", now=NOW + DAY)
    tree = verify_release(sealed.folder, workshop.keys, policy, now=NOW + DAY)
    assert f"key {name} was revoked" in "\n".join(tree.lines())
    for check in (promotable, servable):
        with pytest.raises(IntegrityError):
            check(sealed.folder, workshop.keys, policy, now=NOW + DAY)


def test_keys_of_another_ring_are_strangers(
    workshop: Workshop, sealed: Release, policy: ReleaseConfig, tmp_path: Path
) -> None:
    stranger = make_workshop(tmp_path / "stranger")
    tree = verify_release(sealed.folder, stranger.keys, policy, now=NOW)
    assert not tree.ok
    assert sum("not registered" in line for line in tree.failures()) == 2


def test_development_keys_count_only_where_the_policy_says_so(workshop: Workshop, policy: ReleaseConfig) -> None:
    workshop.keys.create("dana", "trainer", now=NOW, development=True)
    release = workshop.seal(key="dana")
    _approve_both(workshop, release)
    assert "development key" in _failures(workshop, release, policy)
    lenient = policy.model_copy(update={"allow_development_keys": True})
    tree = verify_release(release.folder, workshop.keys, lenient, now=NOW)
    assert (tree.ok, tree.development) == (True, True)


def test_who_sealed_may_not_approve_where_the_policy_says_so(workshop: Workshop, policy: ReleaseConfig) -> None:
    release = workshop.seal(key="ella")
    _approve_both(workshop, release)
    assert "1 more of role ethics" in _failures(workshop, release, policy)
    lenient = policy.model_copy(update={"approver_must_differ_from_trainer": False})
    assert not _failures(workshop, release, lenient)


def test_a_rejection_stands_until_the_same_key_approves(
    workshop: Workshop, sealed: Release, policy: ReleaseConfig
) -> None:
    reject(sealed.folder, workshop.keys.signer("petra"), reason="names leaked", now=NOW + DAY)
    assert "approvals/state: rejected" in _failures(workshop, sealed, policy, now=NOW + DAY)
    with pytest.raises(IntegrityError):
        servable(sealed.folder, workshop.keys, policy, now=NOW + DAY)
    later = NOW + 2 * DAY
    approve(sealed.folder, workshop.keys.signer("petra"), reason="fixed", expires=later + DAY, now=later)
    approvals = read_approvals(sealed.folder, workshop.keys, policy, now=later)
    assert approvals.state is ApprovalState.APPROVED


def test_nobody_signs_a_release_whose_bytes_differ(workshop: Workshop, policy: ReleaseConfig) -> None:
    release = workshop.seal()
    (release.payload / "config.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"changed: config\.json"):
        approve(release.folder, workshop.keys.signer("ella"), reason="fine", expires=NOW + DAY, now=NOW)


def test_an_approval_needs_a_reason_and_a_future(workshop: Workshop) -> None:
    release, ella = workshop.seal(), workshop.keys.signer("ella")
    with pytest.raises(ConfigError, match="reason"):
        approve(release.folder, ella, reason="  ", expires=NOW + DAY, now=NOW)
    with pytest.raises(ConfigError, match="future"):
        approve(release.folder, ella, reason="fine", expires=NOW, now=NOW)


def test_a_folder_that_is_no_release_fails_every_check_without_a_traceback(
    workshop: Workshop, policy: ReleaseConfig, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    tree = verify_release(tmp_path / "empty", workshop.keys, policy, now=NOW)
    assert not tree.ok
    assert {check.name for check in tree.checks if check.status == "failed"} >= {"payload", "statement", "verdict"}


def test_verification_loads_no_heavy_library(workshop: Workshop, sealed: Release, policy: ReleaseConfig) -> None:
    script = (
        "import json, sys\n"
        "from datetime import datetime\n"
        "from pathlib import Path\n"
        "from components.release.config import ReleaseConfig\n"
        "from components.release.keys import KeyRing\n"
        "from components.release.verify import promotable\n"
        "policy = ReleaseConfig.model_validate_json(sys.argv[3])\n"
        "now = datetime.fromisoformat(sys.argv[4])\n"
        "print(promotable(Path(sys.argv[1]), KeyRing(Path(sys.argv[2])), policy, now=now))\n"
        "heavy = {'torch', 'mlflow', 'prefect', 'numpy', 'transformers', 'sklearn', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    arguments = [str(sealed.folder), str(workshop.keys.folder), policy.model_dump_json(), NOW.isoformat()]
    result = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:2] == [workshop.digest, "[]"]
