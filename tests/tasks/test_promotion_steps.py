"""Promotions that are raced and promotions that are killed: production is the old or the new version, and whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from testkit import promotion_steps
from testkit.releases import write_payload
from testkit.sealed import register_tiny, seal_tiny

from tasks.release_control import promote_version, sign_decision
from tasks.settings import Settings, environment_for

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL"):
        os.environ.pop(name, None)
    settings = Settings(home=tmp_path_factory.mktemp("steps") / "home")
    for number in (1, 2, 3):
        payload = settings.home / "tests" / f"payload-{number}"
        write_payload(payload, weights=bytes([number]) * 8)
        release = seal_tiny(settings, seed=number, name="raced", payload=payload)
        sign_decision("approve", release, "read it", settings=settings)
        assert register_tiny(settings, release, name="raced") == str(number)
    promote_version("raced", "1", settings=settings)
    return settings


def _run(settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    environment = {**os.environ, **environment_for(settings), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}"}
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", promotion_steps.__file__, str(settings.home), "raced", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=settings.home,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def _check_race(outcomes: list[dict[str, Any]]) -> None:
    for outcome in outcomes:
        won = [version for version, said in zip("23", outcome["said"], strict=True) if said == "won"]
        lost = [said for said in outcome["said"] if said != "won"]
        assert len(won) == 1, outcome
        assert "another promotion was first" in lost[0]
        assert outcome["after"] == [won[0], ""]


def test_of_two_promotions_at_once_one_wins(settings: Settings) -> None:
    _check_race(_run(settings, "race", "2", "3", "3"))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_of_two_promotions_at_once_one_wins_two_hundred_times(settings: Settings) -> None:
    outcomes = _run(settings, "race", "2", "3", "200")
    assert len(outcomes) == 200
    _check_race(outcomes)


def _check_kills(outcomes: list[dict[str, Any]]) -> None:
    assert outcomes[-1]["code"] == 0
    assert {outcome["code"] for outcome in outcomes[:-1]} == {-9}
    for outcome in outcomes:
        version, problem = outcome["after"]
        assert (version in {"1", "2"}, problem) == (True, ""), outcome
        assert outcome["again"] == "2", outcome
        assert outcome["end"] == ["2", ""], outcome
    assert {outcome["after"][0] for outcome in outcomes} == {"1", "2"}  # both sides of the change were met


def test_a_promotion_killed_at_a_step_leaves_the_old_or_the_new_version(settings: Settings) -> None:
    _check_kills(_run(settings, "kill", "1", "2", "13"))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_promotion_killed_at_any_step_leaves_the_old_or_the_new_version(settings: Settings) -> None:
    _check_kills(_run(settings, "kill", "1", "2", "1"))
