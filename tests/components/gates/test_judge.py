"""The judge: calibrated, monotone, closed when in doubt."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from components.core.errors import ConfigError, IntegrityError
from components.core.evidence import Evidence, GateDecision, Metric, SuiteReport, Verdict
from components.evaluation.statistics import wilson_interval
from components.gates.config import GatesConfig
from components.gates.judge import Waiver, judge

DIGEST = "sha256:" + "a" * 64
CREATED = "2026-03-01T12:00:00+00:00"

PASS, FAIL, OPEN = GateDecision.PASS, GateDecision.FAIL, GateDecision.INCONCLUSIVE


def metric(value: float | None, low: float | None = None, high: float | None = None, n: int = 500) -> Metric:
    return Metric(value=value, ci_low=low, ci_high=high, n=n)


def evidence(digest: str = DIGEST, **suites: Any) -> Evidence:
    """Suites as name to metrics, or to (metrics, slices)."""
    reports = {}
    for name, given_ in suites.items():
        metrics, slices = given_ if isinstance(given_, tuple) else (given_, {})
        reports[name] = SuiteReport(suite=name, payload_digest=digest, n=1, metrics=metrics, slices=slices, seconds=0.0)
    return Evidence(payload_digest=digest, config_digest="c", suites=reports)


def gate(**changes: Any) -> dict[str, Any]:
    return {
        "name": "flips",
        "suite": "counterfactual",
        "metric": "flip_rate",
        "direction": "max",
        "threshold": 0.1,
        "min_n": 100,
        "severity": "block",
    } | changes


FLOOR = gate(name="floor", suite="task_quality", metric="accuracy", direction="min", threshold=0.7)


def gates(*rows: dict[str, Any], not_applicable: Any = ()) -> GatesConfig:
    return GatesConfig.model_validate(
        {"languages": ["en", "zh"], "gates": list(rows), "not_applicable": list(not_applicable)}
    )


def decide(found: Metric | None, **changes: Any) -> GateDecision:
    suites = {"counterfactual": {"flip_rate": found} if found is not None else {}}
    return run(evidence(**suites), gates(gate(**changes))).gates[0].decision


def run(found: Evidence, config: GatesConfig, **settings_: Any) -> Verdict:
    return judge(found, config, payload_digest=DIGEST, created=CREATED, **settings_)


@pytest.mark.parametrize(
    ("low", "high", "direction", "threshold", "expected"),
    [
        (0.02, 0.08, "max", 0.1, PASS),
        (0.02, 0.10, "max", 0.1, PASS),
        (0.02, 0.11, "max", 0.1, OPEN),
        (0.10, 0.20, "max", 0.1, OPEN),
        (0.11, 0.20, "max", 0.1, FAIL),
        (0.80, 0.90, "min", 0.8, PASS),
        (0.79, 0.90, "min", 0.8, OPEN),
        (0.60, 0.79, "min", 0.8, FAIL),
        (0.45, 0.55, "within", {"low": 0.45, "high": 0.55}, PASS),
        (0.44, 0.55, "within", {"low": 0.45, "high": 0.55}, OPEN),
        (0.30, 0.60, "within", {"low": 0.45, "high": 0.55}, OPEN),
        (0.56, 0.60, "within", {"low": 0.45, "high": 0.55}, FAIL),
        (0.30, 0.44, "within", {"low": 0.45, "high": 0.55}, FAIL),
    ],
)
def test_the_whole_interval_decides(
    low: float, high: float, direction: str, threshold: Any, expected: GateDecision
) -> None:
    assert decide(metric((low + high) / 2, low, high), direction=direction, threshold=threshold) is expected


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "was not measured"),
        (metric(None), "has no value"),
        (metric(math.nan, 0.01, 0.02), "not a finite number"),
        (metric(math.inf, 0.01, 0.02), "not a finite number"),
        (metric(0.01, 0.0, 0.02, n=99), "needs 100"),
        (metric(0.01, 0.0, 0.02, n=0), "needs 100"),
        (metric(0.01), "no usable interval"),
        (metric(0.01, 0.0, None), "no usable interval"),
        (metric(0.01, math.nan, 0.02), "no usable interval"),
        (metric(0.01, -math.inf, 0.02), "no usable interval"),
        (metric(0.01, 0.03, 0.02), "no usable interval"),
    ],
)
def test_it_fails_closed(found: Metric | None, reason: str) -> None:
    suites = {"counterfactual": {} if found is None else {"flip_rate": found}}
    verdict = run(evidence(**suites), gates(gate()))
    assert verdict.decision == "fail"
    assert verdict.gates[0].decision is OPEN
    assert reason in verdict.gates[0].reason
    assert verdict.gates[0].next.startswith("touchstone ")
    # What was not finite must not reach the file: JSON has no NaN.
    Verdict.model_validate_json(verdict.model_dump_json())


def test_a_missing_suite_or_slice_is_inconclusive() -> None:
    good = {"flip_rate": metric(0.01, 0.0, 0.02)}
    assert run(evidence(), gates(gate())).gates[0].decision is OPEN
    only_english = evidence(counterfactual=(good, {"en": good}))
    results = run(only_english, gates(gate(slice="each_language"))).gates
    assert [(r.name, r.decision) for r in results] == [("flips[en]", PASS), ("flips[zh]", OPEN)]


def test_an_interval_that_leaves_its_value_out_is_widened() -> None:
    assert decide(metric(0.5, 0.01, 0.02)) is OPEN


def test_a_warning_does_not_refuse() -> None:
    bad = evidence(
        counterfactual={"flip_rate": metric(0.5, 0.4, 0.6)}, task_quality={"accuracy": metric(0.9, 0.8, 1.0)}
    )
    assert run(bad, gates(FLOOR, gate(severity="warn"))).decision == "pass"
    assert run(bad, gates(FLOOR, gate())).decision == "fail"


@pytest.mark.parametrize("floor_metric", [metric(0.5, 0.45, 0.55), metric(0.72, 0.65, 0.8), metric(None)])
def test_nothing_passes_behind_a_floor_that_did_not(floor_metric: Metric) -> None:
    found = evidence(counterfactual={"flip_rate": metric(0.0, 0.0, 0.01)}, task_quality={"accuracy": floor_metric})
    result = run(found, gates(FLOOR | {"severity": "warn"}, gate(requires=["floor"])))
    assert result.decision == "fail"
    assert result.gates[1].decision is OPEN
    assert "the floor floor did not pass" in result.gates[1].reason
    assert result.gates[1].next == "touchstone why RUN  # the floor floor comes first"


def test_a_floor_is_matched_by_language() -> None:
    good, bad = {"accuracy": metric(0.9, 0.85, 0.95)}, {"accuracy": metric(0.5, 0.45, 0.55)}
    flips = {"flip_rate": metric(0.0, 0.0, 0.01)}
    found = evidence(task_quality=(good, {"en": good, "zh": bad}), counterfactual=(flips, {"en": flips, "zh": flips}))
    rows = [FLOOR | {"slice": "each_language"}, gate(slice="each_language", requires=["floor"])]
    decisions = {r.name: r.decision for r in run(found, gates(*rows)).gates}
    assert decisions == {"floor[en]": PASS, "floor[zh]": FAIL, "flips[en]": PASS, "flips[zh]": OPEN}
    whole = run(found, gates(rows[0], gate(requires=["floor"]))).gates[-1]
    assert whole.decision is OPEN


def test_not_applicable_is_declared_shown_and_hashed() -> None:
    reason = {"gate": "flips", "reason": "the data name no group at all"}
    found = evidence(task_quality={"accuracy": metric(0.9, 0.85, 0.95)})
    with_, without = gates(FLOOR, gate(), not_applicable=[reason]), gates(FLOOR, gate())
    verdict = run(found, with_)
    assert verdict.decision == "pass"
    assert verdict.gates[1].decision is GateDecision.NOT_APPLICABLE
    assert "the data name no group" in verdict.gates[1].reason
    assert verdict.config_digest != run(found, without).config_digest


def test_evidence_of_another_payload_is_an_integrity_error() -> None:
    other = "sha256:" + "b" * 64
    with pytest.raises(IntegrityError, match="evaluate this payload"):
        run(evidence(other, counterfactual={}), gates(gate()))
    mixed = Evidence(payload_digest=DIGEST, config_digest="c", suites=evidence(other, counterfactual={}).suites)
    with pytest.raises(IntegrityError, match="suite counterfactual"):
        run(mixed, gates(gate()))


class TestWaivers:
    bad = evidence(counterfactual={"flip_rate": metric(0.5, 0.4, 0.6)})

    def waiver(self, **changes: str) -> Waiver:
        return Waiver(
            **{"gate": "flips", "payload_digest": DIGEST, "reason": "agreed", "until": "2026-03-01", "signer": "ana"}
            | changes
        )

    def test_it_lifts_one_gate_of_one_payload(self) -> None:
        verdict = run(self.bad, gates(gate()), waivers=[self.waiver()])
        assert verdict.decision == "pass"
        assert verdict.gates[0].decision is GateDecision.WAIVED
        assert "ana" in verdict.gates[0].reason
        assert "and is not" in verdict.gates[0].reason

    @pytest.mark.parametrize(
        "changes", [{"until": "2026-02-28"}, {"until": "2026-03-01T11:59:59+00:00"}, {"gate": "floor"},
                    {"payload_digest": "sha256:b"}]
    )  # fmt: skip
    def test_expired_or_foreign_waivers_change_nothing(self, changes: dict[str, str]) -> None:
        assert run(self.bad, gates(gate()), waivers=[self.waiver(**changes)]).decision == "fail"

    def test_a_waived_floor_still_lets_nothing_pass_behind_it(self) -> None:
        found = evidence(
            counterfactual={"flip_rate": metric(0.0, 0.0, 0.01)}, task_quality={"accuracy": metric(0.5, 0.4, 0.6)}
        )
        verdict = run(found, gates(FLOOR, gate(requires=["floor"])), waivers=[self.waiver(gate="floor")])
        assert [r.decision for r in verdict.gates] == [GateDecision.WAIVED, OPEN]

    def test_a_date_that_is_none_is_a_config_error(self) -> None:
        with pytest.raises(ConfigError, match="YYYY-MM-DD"):
            run(self.bad, gates(gate()), waivers=[self.waiver(until="tomorrow")])


class TestChampion:
    relative: ClassVar[dict[str, Any]] = {"margin": 0.02, "without_champion": "absolute_only"}

    def judged(self, candidate: Metric, champion: Metric | None, **changes: Any) -> GateDecision:
        rival = evidence("sha256:old", counterfactual={"flip_rate": champion}) if champion is not None else None
        relative = self.relative | changes.pop("relative", {})
        config = gates(gate(relative_to_champion=relative, **changes))
        return run(evidence(counterfactual={"flip_rate": candidate}), config, champion=rival).gates[0].decision

    def test_absolute_ceiling_still_holds(self) -> None:
        assert self.judged(metric(0.2, 0.15, 0.25), metric(0.3, 0.25, 0.35)) is FAIL

    def test_a_clearly_worse_candidate_fails_below_the_ceiling(self) -> None:
        assert self.judged(metric(0.08, 0.075, 0.085), metric(0.01, 0.005, 0.015)) is FAIL

    def test_an_equal_candidate_with_a_narrow_interval_passes(self) -> None:
        assert self.judged(metric(0.05, 0.045, 0.055), metric(0.05, 0.045, 0.055)) is PASS

    def test_a_wide_interval_cannot_show_that_it_is_not_worse(self) -> None:
        assert self.judged(metric(0.05, 0.02, 0.09), metric(0.05, 0.02, 0.09)) is OPEN

    def test_the_better_side_turns_with_the_direction(self) -> None:
        better, worse = metric(0.95, 0.945, 0.955), metric(0.90, 0.895, 0.905)
        changes = {"direction": "min", "threshold": 0.8}
        assert self.judged(better, worse, **changes) is PASS
        assert self.judged(worse, better, **changes) is FAIL

    def test_without_a_champion_the_file_says_what_holds(self) -> None:
        good = metric(0.01, 0.0, 0.02)
        assert self.judged(good, None) is PASS
        assert self.judged(good, None, relative={"without_champion": "inconclusive"}) is OPEN

    def test_a_champion_without_the_metric_is_no_free_pass(self) -> None:
        assert self.judged(metric(0.01, 0.0, 0.02), metric(None)) is OPEN


@given(
    value=st.floats(0, 1),
    below=st.floats(0, 0.3),
    above=st.floats(0, 0.3),
    worse=st.floats(0, 1),
    threshold=st.floats(0, 1),
    direction=st.sampled_from(["max", "min"]),
)
@settings(max_examples=200, deadline=None)
def test_a_worse_metric_never_turns_a_gate_to_pass(
    *, value: float, below: float, above: float, worse: float, threshold: float, direction: str
) -> None:
    shift = worse if direction == "max" else -worse
    order = {FAIL: 0, OPEN: 1, PASS: 2}
    before = decide(metric(value, value - below, value + above), direction=direction, threshold=threshold)
    after = decide(
        metric(value + shift, value + shift - below, value + shift + above), direction=direction, threshold=threshold
    )
    assert order[after] <= order[before]
    assume(before is not PASS)
    wider = decide(
        metric(value, value - below - worse, value + above + worse), direction=direction, threshold=threshold
    )
    assert wider is not PASS


class TestCalibration:
    """The promise of the method, simulated: shares with Wilson intervals, margin 5 points around nothing."""

    trials = 1000

    def share_of(self, decision: GateDecision, rate: float, n: int) -> float:
        hits = np.random.default_rng(11).binomial(n, rate, self.trials)
        known: dict[int, GateDecision] = {}
        for count in set(map(int, hits)):
            found = wilson_interval(count, n)
            known[count] = decide(metric(found.value, found.low, found.high, n), threshold=0.1)
        return sum(known[int(count)] is decision for count in hits) / self.trials

    def test_no_difference_rarely_fails(self) -> None:
        assert self.share_of(FAIL, 0.1, 600) <= 0.06
        assert self.share_of(FAIL, 0.05, 600) <= 0.06

    def test_bad_on_the_edge_rarely_passes(self) -> None:
        assert self.share_of(PASS, 0.1001, 600) <= 0.05

    def test_twice_the_margin_is_caught(self) -> None:
        assert self.share_of(FAIL, 0.2, 600) >= 0.8

    def test_half_the_margin_passes(self) -> None:
        assert self.share_of(PASS, 0.05, 600) >= 0.8

    @pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
    def test_twenty_are_never_enough(self, rate: float) -> None:
        assert self.share_of(OPEN, rate, 20) == 1.0

    def test_identical_models_never_fail_against_each_other(self) -> None:
        for hits in range(0, 61, 3):
            found = wilson_interval(hits, 600)
            same = metric(found.value, found.low, found.high, 600)
            assert TestChampion().judged(same, same) is not FAIL
