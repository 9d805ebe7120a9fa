"""What was spent, as people and programs see it, and what a broken chain does to the verb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dp_accounting", reason="needs the extra `privacy`")

from components.privacy.accounting import Mechanism
from components.privacy.config import PrivacyConfig
from tasks.ledger import this_ledger
from tasks.settings import Settings


def spend(steps: int) -> Path:
    config = PrivacyConfig(scope="people", unit="user", epsilon=0.5, delta=1e-5, lifetime_epsilon=2.0, expected_units=8)
    account = this_ledger(Settings()).open_account(config, Mechanism(0.05, 4.0, steps), run="a", actor="uid 1")
    account.reserve(steps)
    return this_ledger(Settings()).path


def test_an_untouched_home_says_so(cli: Any) -> None:
    shown = cli("ledger")
    assert (shown.code, "nothing was spent yet" in shown.out + shown.err) == (0, True)


def test_the_table_the_json_and_a_broken_chain(cli: Any) -> None:
    path = spend(100)
    found = json.loads(cli("ledger", "--json").out)
    (scope,) = found["scopes"]
    assert (found["ok"], found["count"], scope["scope"], scope["steps"]) == (True, 1, "people", 100)
    assert scope["remaining"] == pytest.approx(2.0 - scope["epsilon"])
    table = cli("ledger", "--scope", "people")
    assert table.code == 0
    assert f"epsilon {scope['epsilon']:.3f} of 2 spent" in table.out + table.err
    assert cli("ledger", "--scope", "nobody").code == 2

    path.write_text(path.read_text().replace('"steps":100', '"steps":1'))
    broken = cli("ledger", "--json")
    assert (broken.code, json.loads(broken.out)["ok"]) == (1, False)
    assert cli("ledger", "--accept").code == 2
    accepted = cli("ledger", "--accept", "--reason", "restored from a backup", "--json")
    assert (accepted.code, json.loads(accepted.out)["ok"]) == (0, True)
    assert json.loads(accepted.out)["scopes"][0]["steps"] == 1
