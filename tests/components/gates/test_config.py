"""The gates file: what cannot mean anything is refused at load, naming the gate."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.gates.config import GatesConfig

GATE: dict[str, Any] = {
    "name": "flips",
    "suite": "counterfactual",
    "metric": "flip_rate",
    "direction": "max",
    "threshold": 0.1,
    "min_n": 100,
    "severity": "block",
}


def load(*gates: dict[str, Any], **extra: Any) -> GatesConfig:
    return GatesConfig.model_validate({"languages": ["en", "zh"], "gates": list(gates)} | extra)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"suite": "counterfactuals"}, "did you mean counterfactual"),
        ({"suite": "hatecheck"}, "known are counterfactual"),
        ({"metric": "fliprate"}, "did you mean flip_rate"),
        ({"direction": "within"}, "low, high"),
        ({"threshold": {"low": 0.1, "high": 0.2}}, "a number under max"),
        ({"direction": "within", "threshold": {"low": 0.6, "high": 0.4}}, "must be below"),
        ({"requires": ["floor"]}, "unknown floor above it 'floor'"),
        ({"requires": ["flips"]}, "unknown floor above it"),
        ({"threshold": None}, "threshold"),
        ({"min_n": 0}, "min_n"),
        ({"treshold": 0.2}, "treshold"),
        ({"severity": "warn"}, "no blocking gate"),
    ],
)
def test_gates_without_meaning_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        load(GATE | changes)


@pytest.mark.parametrize("key", ["threshold", "min_n", "severity", "direction", "suite", "metric"])
def test_decisions_have_no_default(key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        load({name: value for name, value in GATE.items() if name != key})


def test_names_are_unique_and_declarations_name_a_gate() -> None:
    with pytest.raises(ValidationError, match="stands twice"):
        load(GATE, GATE)
    with pytest.raises(ValidationError, match="did you mean flips"):
        load(GATE, not_applicable=[{"gate": "flip", "reason": "long enough a reason"}])
    with pytest.raises(ValidationError, match="at least 10"):
        load(GATE, GATE | {"name": "other"}, not_applicable=[{"gate": "flips", "reason": "no"}])


def test_declaring_every_gate_away_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing could ever refuse"):
        load(GATE, not_applicable=[{"gate": "flips", "reason": "long enough a reason"}])


def test_a_band_has_no_champion() -> None:
    band = {"direction": "within", "threshold": {"low": 0.4, "high": 0.6}}
    relative = {"margin": 0.1, "without_champion": "absolute_only"}
    with pytest.raises(ValidationError, match="no better side"):
        load(GATE | band | {"relative_to_champion": relative})
