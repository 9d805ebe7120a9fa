from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

pytest.importorskip("dp_accounting", reason="needs the extra `privacy`")

from testkit import private_steps

from components.core.errors import ConfigError, IntegrityError
from components.privacy.accounting import Mechanism, compose
from components.privacy.config import PrivacyConfig
from components.privacy.ledger import Ledger, spent_by_scope

STEP = Mechanism(0.05, 4.0, 100)
DELTA = 1e-5


def config(**changes: object) -> PrivacyConfig:
    values = {
        "scope": "people", "unit": "user", "epsilon": 0.1, "delta": DELTA, "lifetime_epsilon": 8.0,
        "expected_units": 8,
    }  # fmt: skip
    return PrivacyConfig.model_validate(values | changes)


def ledger(home: Path) -> Ledger:
    return private_steps.ledger_of(home)


def charge(home: Path, steps: int, *, run: str = "one", **changes: object) -> None:
    account = ledger(home).open_account(config(**changes), Mechanism(0.05, 4.0, steps), run=run, actor="uid 1")
    account.reserve(steps)


def test_every_attempt_is_composed_by_scope(tmp_path: Path) -> None:
    charge(tmp_path, 40, run="first")
    charge(tmp_path, 60, run="second")
    charge(tmp_path, 10, run="other", scope="strangers")
    people, strangers = spent_by_scope(ledger(tmp_path).trusted_records())
    assert people.epsilon == compose([STEP], DELTA).epsilon
    assert people.remaining == pytest.approx(8.0 - people.epsilon)
    assert [(run.run, run.steps) for run in people.runs] == [("first", 40), ("second", 60)]
    assert (people.steps, strangers.steps, people.accountant, people.units) == (100, 10, "pld", ["user"])
    assert spent_by_scope(ledger(tmp_path).trusted_records(), "strangers") == [strangers]


def test_a_training_beyond_the_lifetime_budget_does_not_start(tmp_path: Path) -> None:
    charge(tmp_path, 100)
    alone = compose([STEP], DELTA).epsilon
    with pytest.raises(ConfigError, match=r"lifetime_epsilon: this training does not start: .* people"):
        ledger(tmp_path).open_account(config(lifetime_epsilon=alone * 1.1), STEP, run="b", actor="uid 1")
    ledger(tmp_path).open_account(config(lifetime_epsilon=alone * 2), STEP, run="b", actor="uid 1")


def test_two_trainings_at_once_cannot_overspend_together(tmp_path: Path) -> None:
    """Each fits alone; the second to charge is stopped before the steps that would be too many."""
    limit = compose([Mechanism(0.05, 4.0, 120)], DELTA).epsilon
    first, second = (
        ledger(tmp_path).open_account(config(lifetime_epsilon=limit), STEP, run=name, actor="uid 1") for name in "ab"
    )
    for _ in range(10):
        first.reserve(10)
    second.reserve(10)
    second.reserve(10)
    with pytest.raises(ConfigError, match="the next steps would not be within"):
        second.reserve(10)
    (spent,) = spent_by_scope(ledger(tmp_path).trusted_records())
    assert (spent.steps, spent.epsilon) == (120, limit)


def test_more_steps_than_planned_are_checked_again(tmp_path: Path) -> None:
    account = ledger(tmp_path).open_account(
        config(lifetime_epsilon=compose([STEP], DELTA).epsilon), STEP, run="a", actor="uid 1"
    )
    account.reserve(100)
    with pytest.raises(ConfigError, match="the next steps"):
        account.reserve(1)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace('"steps":40', '"steps":4'),
        lambda text: text[text.index("\n") + 1 :],
        lambda text: text[: text.index("\n") + 1],
        lambda _: "",
    ],
    ids=["edited", "first line gone", "last line gone", "emptied"],
)
def test_a_broken_chain_blocks_until_a_person_accepts(tmp_path: Path, spoil: object) -> None:
    charge(tmp_path, 40)
    charge(tmp_path, 60, run="two")
    path = ledger(tmp_path).path
    path.write_text(spoil(path.read_text()))  # type: ignore[operator]
    with pytest.raises(IntegrityError, match="touchstone ledger"):
        ledger(tmp_path).open_account(config(), STEP, run="b", actor="uid 1")
    aside = ledger(tmp_path).accept(actor="uid 2", reason="disk was restored")
    assert aside.exists()
    first, *carried = ledger(tmp_path).trusted_records()
    assert (first.kind, first.reason, first.actor) == ("accepted", "disk was restored", "uid 2")
    assert all(record.kind == "carried" for record in carried)
    ledger(tmp_path).open_account(config(), Mechanism(0.05, 4.0, 1), run="b", actor="uid 1")


def test_what_can_be_read_is_carried_over(tmp_path: Path) -> None:
    charge(tmp_path, 40)
    charge(tmp_path, 60, run="two")
    charge(tmp_path, 7, scope="strangers")
    path = ledger(tmp_path).path
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], "broken\n", *lines[1:]]))
    ledger(tmp_path).accept(actor="uid 2", reason="a disk fault")
    assert [(s.scope, s.steps) for s in spent_by_scope(ledger(tmp_path).trusted_records())] == [
        ("people", 100), ("strangers", 7)
    ]  # fmt: skip


def test_charges_from_threads_are_all_there(tmp_path: Path) -> None:
    def work(name: str) -> None:
        account = ledger(tmp_path).open_account(config(lifetime_epsilon=1000), STEP, run=name, actor="uid 1")
        for _ in range(5):
            account.reserve(1)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(record.steps for record in ledger(tmp_path).trusted_records()) == 20


def test_killed_at_twenty_random_moments_it_never_says_less_than_was_taken(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    done = subprocess.run(
        [sys.executable, private_steps.__file__, str(tmp_path), str(taken), "20"],
        stdout=subprocess.PIPE, text=True, check=True, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )  # fmt: skip
    counts = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert len(counts) == 20
    for attempt, (charged, steps) in enumerate(counts, start=1):
        assert steps <= charged <= steps + private_steps.CONFIG.charge_steps * attempt
    (spent,) = spent_by_scope(ledger(tmp_path).trusted_records())
    steps = taken.stat().st_size
    assert steps > 20
    sampled = private_steps.PLAN
    assert spent.epsilon >= compose([Mechanism(sampled.sampling_rate, sampled.noise_multiplier, steps)], DELTA).epsilon


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epsilon": 0}, "greater than 0"),
        ({"epsilon": -1}, "greater than 0"),
        ({"delta": 1}, "less than 1"),
        ({"delta": 0}, "greater than 0"),
        ({"epsilon": float("nan")}, "finite"),
        ({"epsilon": 9}, "above lifetime_epsilon"),
        ({"unit": "example", "max_rows_per_unit": 2}, "unit example has one row"),
        ({"scope": "../elsewhere"}, "pattern"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        config(**changes)
