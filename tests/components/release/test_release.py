from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from testkit.releases import DAY, NOW, Workshop, gate, make_workshop, write_judgement, write_payload

from components.core.errors import IntegrityError
from components.core.evidence import Evidence, GateDecision, Verdict
from components.core.payload import read_manifest
from components.release.cards import CardFacts, model_card
from components.release.release import release_folder


def test_a_release_lies_under_its_name_and_digest_and_is_a_byte_copy(workshop: Workshop) -> None:
    release = workshop.seal()
    assert release.folder == workshop.root / "releases" / "demo" / workshop.digest[7:19]
    assert release.folder == release_folder(workshop.root / "releases", "demo", workshop.digest)
    source = workshop.root / "payload"
    copied = {p.relative_to(release.payload): p.read_bytes() for p in release.payload.rglob("*") if p.is_file()}
    assert copied == {p.relative_to(source): p.read_bytes() for p in source.rglob("*") if p.is_file()}


def test_the_statement_is_in_toto_and_binds_everything(workshop: Workshop) -> None:
    envelope = workshop.seal().folder / "envelope"
    statement = json.loads(base64.b64decode(json.loads((envelope / "statement.json").read_text())["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:touchstone:ethics-gate-verdict:v1"
    assert statement["subject"] == [{"name": "demo", "digest": {"sha256": workshop.digest[7:]}}]
    predicate = statement["predicate"]
    others = {path.name for path in envelope.iterdir()} - {"statement.json"}
    expected = {name: "sha256:" + hashlib.sha256((envelope / name).read_bytes()).hexdigest() for name in others}
    assert predicate["envelope"] == expected
    assert predicate["verdict_digest"] == expected["verdict.json"]
    assert predicate["data_digests"] == {"corpus": "sha256:bb"}
    assert predicate["gates"][0] == {"name": "flips", "severity": "block", "decision": "pass"}


def test_sealing_the_same_again_changes_nothing(workshop: Workshop) -> None:
    first = workshop.seal()
    before = (first.folder / "envelope" / "statement.json").read_bytes()
    again = workshop.seal(now=NOW + DAY)
    assert again.reused
    assert (first.folder / "envelope" / "statement.json").read_bytes() == before


def test_another_verdict_takes_the_place_and_the_old_one_is_kept(workshop: Workshop) -> None:
    first = workshop.seal()
    before = (first.folder / "envelope" / "verdict.json").read_bytes()
    write_judgement(workshop.root, workshop.digest, [gate("flips")])
    assert not workshop.seal().reused
    kept = first.folder.parent / ".superseded" / f"{first.folder.name}.1" / "envelope" / "verdict.json"
    assert kept.read_bytes() == before


def test_a_damaged_release_is_sealed_anew(workshop: Workshop) -> None:
    first = workshop.seal()
    (first.payload / "config.json").write_text("{}")
    assert not workshop.seal().reused


@pytest.mark.parametrize("what", ["evidence", "verdict"])
def test_a_judgement_of_another_payload_is_refused_and_leaves_nothing(workshop: Workshop, what: str) -> None:
    write_judgement(workshop.root / "other", "sha256:" + "0" * 64, [gate("flips")])
    (workshop.root / what / f"{what}.json").write_bytes((workshop.root / "other" / what / f"{what}.json").read_bytes())
    with pytest.raises(IntegrityError, match=f"the {what} is about"):
        workshop.seal()
    assert list((workshop.root / "releases").rglob("*")) == [workshop.root / "releases" / "demo"]


def test_a_damaged_payload_is_not_sealed(workshop: Workshop) -> None:
    (workshop.root / "payload" / "config.json").write_text("{}")
    with pytest.raises(IntegrityError, match="changed: config"):
        workshop.seal()


def test_a_refused_candidate_can_be_sealed_for_review(tmp_path: Path) -> None:
    workshop = make_workshop(tmp_path, [gate("flips", GateDecision.FAIL)])
    card = (workshop.seal().folder / "envelope" / "card.md").read_text()
    assert "**refused**" in card


def test_cards_state_the_facts_in_both_languages(workshop: Workshop) -> None:
    envelope = workshop.seal().folder / "envelope"
    english, chinese = (envelope / "card.md").read_text(), (envelope / "card.zh.md").read_text()
    for card in (english, chinese):
        assert workshop.digest in card
        assert "| flips | 0.01 | [0, 0.02] | 600 | ≤ 0.05 | pass |" in card
        assert "sha256:bb" in card
    assert english.startswith("# Model card: demo")
    assert chinese.startswith("# 模型卡: demo")
    assert "**passed**" in english
    assert "**通过**" in chinese


def test_a_card_lets_no_markup_through(tmp_path: Path) -> None:
    workshop = make_workshop(tmp_path, [gate("flips"), gate("<script>x|y\nz", GateDecision.NOT_APPLICABLE)])
    card = (workshop.seal().folder / "envelope" / "card.md").read_text()
    assert "<script>" not in card
    assert "&lt;script&gt;x\\|y z" in card


def test_payloads_written_by_hand_verify(tmp_path: Path) -> None:
    assert write_payload(tmp_path / "a") == write_payload(tmp_path / "b") != write_payload(tmp_path / "c", weights=b"x")


def test_a_card_states_the_privacy_claim_of_a_sealed_training(tmp_path: Path) -> None:
    workshop = make_workshop(tmp_path / "workshop")
    facts = {
        "epsilon": 2.9871, "epsilon_second_opinion": 2.9972, "epsilon_charged": 3.1, "delta": 1e-5, "unit": "user",
        "units": 321, "max_rows_per_unit": 4, "neighbours": "add or remove one unit", "sampler": "Poisson",
        "sampling_rate": 0.02, "generators": "not hardened", "accountant": "PLD", "not_covered": ["dev scores"],
        "audit": {"epsilon": 0.412, "right": 140, "guesses": 200},
    }  # fmt: skip
    seal = workshop.seal()
    manifest = read_manifest(seal.folder / "payload")
    card_facts = CardFacts(
        manifest,
        Evidence.model_validate_json((seal.folder / "envelope" / "evidence.json").read_text()),
        Verdict.model_validate_json((seal.folder / "envelope" / "verdict.json").read_text()),
        {},
        {"model": facts},
    )
    for lang, heading in (("en", "## Differential privacy of the training"), ("zh", "## 训练的差分隐私")):
        card = model_card(card_facts, lang)
        assert heading in card
        for stated in ("2.9871", "3.1000", "0.412 (95 %, 140/200", "user, n = 321", "add or remove one unit",
                       "Poisson", "PLD", "dev scores"):  # fmt: skip
            assert stated in card
