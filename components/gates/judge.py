"""From evidence to a verdict. Pure: the same evidence and gates give the same verdict, whoever asks and when.

A gate is a test of being good. ``pass`` needs the whole interval on the good side of the threshold (the threshold
itself is good), ``fail`` the whole interval on the bad side; everything else is ``inconclusive``: a missing metric, a
number that is not finite, no interval, n below min_n, a straddling interval, a floor that did not pass. A blocking
gate that fails or is inconclusive refuses. Promoting needs every gate at once, so the chance of releasing a payload
that is bad on any one of them stays at that gate's alpha without correction.

Against a champion the difference is judged too, with Newcombe's interval from the two separate ones; a gate passes
only if both the absolute and the relative question do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from components.core.errors import ConfigError, IntegrityError
from components.core.evidence import Band, Evidence, GateDecision, GateResult, Metric, Verdict
from components.core.jsonfiles import read_json
from components.evaluation.statistics import Interval, newcombe_difference
from components.gates.config import ALL, EACH_LANGUAGE, GateConfig, GatesConfig


class Waiver(BaseModel):
    """A signed, expiring exception, already verified by the caller: one gate of one payload."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: str = Field(description="Name of the gate result, with its language where it has one: flips[zh].")
    payload_digest: str
    reason: str = Field(min_length=1)
    until: str = Field(description="Last day (YYYY-MM-DD, to its end in UTC) or moment (ISO 8601) it holds.")
    signer: str = Field(default="", description="Registered name of the key that signed it.")


@dataclass(frozen=True)
class _Outcome:
    decision: GateDecision
    reason: str
    next_step: str = ""


_PASS, _FAIL, _OPEN = GateDecision.PASS, GateDecision.FAIL, GateDecision.INCONCLUSIVE


def judge(
    evidence: Evidence,
    gates: GatesConfig,
    *,
    payload_digest: str,
    champion: Evidence | None = None,
    waivers: Sequence[Waiver] = (),
    created: str,
) -> Verdict:
    """The verdict over a payload.

    Args:
        evidence: What was measured.
        gates: What must hold.
        payload_digest: Digest of the payload that is about to be released.
        champion: Evidence of the payload in production, if there is one.
        waivers: Verified waivers; one that expired before ``created`` or names another payload is ignored.
        created: The moment of judging, UTC ISO 8601; also decides which waivers hold.

    Raises:
        IntegrityError: The evidence, or one of its suites, belongs to another payload.
    """
    _check_digest(evidence, payload_digest)
    declared = {item.gate: item.reason for item in gates.not_applicable}
    results: list[GateResult] = []
    for gate in gates.gates:
        for slice_ in _slices(gate, gates):
            result = _judge_slice(gate, slice_, evidence, champion=champion, earlier=results, declared=declared)
            results.append(_waive(result, waivers, payload_digest, created))
    refused = any(r.severity == "block" and r.decision in {_FAIL, _OPEN} for r in results)
    return Verdict(
        payload_digest=payload_digest,
        config_digest=gates.digest(),
        decision="fail" if refused else "pass",
        gates=results,
        created=created,
    )


def read_verdict(path: Path) -> Verdict:
    """A verdict from its folder or file."""
    return Verdict.model_validate(read_json(path / "verdict.json" if path.is_dir() else path))


def _check_digest(evidence: Evidence, payload_digest: str) -> None:
    found = {"evidence": evidence.payload_digest} | {
        f"suite {name}": report.payload_digest for name, report in evidence.suites.items()
    }
    for what, digest in found.items():
        if digest != payload_digest:
            raise IntegrityError(
                f"{what} was measured on {digest[:19]}, the payload is {payload_digest[:19]}; evaluate this payload"
            )


def _slices(gate: GateConfig, gates: GatesConfig) -> tuple[str, ...]:
    return gates.languages if gate.slice == EACH_LANGUAGE else (gate.slice,)


def result_name(gate: GateConfig, slice_: str) -> str:
    """Name of a gate's result: the gate's own, with the language where it is judged for each."""
    return f"{gate.name}[{slice_}]" if gate.slice == EACH_LANGUAGE else gate.name


def find_metric(evidence: Evidence | None, suite: str, slice_: str, metric: str) -> Metric | None:
    """A metric of a suite's whole or of one slice, or None."""
    report = evidence.suites.get(suite) if evidence is not None else None
    if report is None:
        return None
    metrics = report.metrics if slice_ == ALL else report.slices.get(slice_, {})
    return metrics.get(metric)


def _judge_slice(
    gate: GateConfig,
    slice_: str,
    evidence: Evidence,
    *,
    champion: Evidence | None,
    earlier: Sequence[GateResult],
    declared: dict[str, str],
) -> GateResult:
    metric = find_metric(evidence, gate.suite, slice_, gate.metric)
    rival = find_metric(champion, gate.suite, slice_, gate.metric)
    if gate.name in declared:
        outcome = _Outcome(GateDecision.NOT_APPLICABLE, f"declared not applicable: {declared[gate.name]}")
    else:
        outcome = _decide(gate, slice_, metric, rival, has_champion=champion is not None)
        outcome = _behind_floors(gate, slice_, earlier) or outcome
    shown = metric if metric is not None else Metric(value=None, n=0)
    return GateResult(
        name=result_name(gate, slice_),
        suite=gate.suite,
        slice=slice_,
        metric=gate.metric,
        value=_finite(shown.value),
        ci_low=_finite(shown.ci_low),
        ci_high=_finite(shown.ci_high),
        n=shown.n,
        min_n=gate.min_n,
        threshold=gate.threshold,
        direction=gate.direction,
        champion=_finite(rival.value) if rival is not None else None,
        severity=gate.severity,
        decision=outcome.decision,
        reason=outcome.reason,
        next=outcome.next_step or _next_step(gate, outcome.decision, metric),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _decide(
    gate: GateConfig, slice_: str, metric: Metric | None, rival: Metric | None, *, has_champion: bool
) -> _Outcome:
    where = f"{gate.suite}/{gate.metric}" + ("" if slice_ == ALL else f" on {slice_}")
    found = _interval(gate, where, metric)
    if isinstance(found, _Outcome):
        return found
    absolute = _against_threshold(gate, found)
    if gate.relative_to_champion is None or absolute.decision is _FAIL:
        return absolute
    relative = _against_champion(gate, where, found, rival, has_champion=has_champion)
    if relative is None or relative.decision is _PASS:
        return absolute
    return relative if absolute.decision is _PASS or relative.decision is _FAIL else absolute


def _interval(gate: GateConfig, where: str, metric: Metric | None) -> Interval | _Outcome:
    """The metric as an interval, or why it cannot decide anything."""
    if metric is None:
        return _Outcome(_OPEN, f"{where} was not measured")
    if metric.value is None:
        return _Outcome(_OPEN, f"{where} has no value: {metric.note or 'no reason was recorded'}")
    if not math.isfinite(metric.value):
        return _Outcome(_OPEN, f"{where} is not a finite number")
    if metric.n < gate.min_n:
        return _Outcome(_OPEN, f"{where} rests on n = {metric.n}, needs {gate.min_n}")
    low, high = metric.ci_low, metric.ci_high
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or low > high:
        return _Outcome(_OPEN, f"{where} has no usable interval")
    return Interval(metric.value, min(low, metric.value), max(high, metric.value))


def _against_threshold(gate: GateConfig, found: Interval) -> _Outcome:
    threshold = gate.threshold
    if isinstance(threshold, Band):
        low, high = threshold.low, threshold.high
        limit = f"within {_number(low)} to {_number(high)}"
    else:
        low, high = (threshold, math.inf) if gate.direction == "min" else (-math.inf, threshold)
        limit = f"at {'least' if gate.direction == 'min' else 'most'} {_number(threshold)}"
    span = f"{_number(found.value)} [{_number(found.low)}, {_number(found.high)}]"
    if low <= found.low and found.high <= high:
        return _Outcome(_PASS, f"{span} is {limit}")
    if found.high < low or found.low > high:
        return _Outcome(_FAIL, f"{span} must be {limit} and is not")
    return _Outcome(
        _OPEN, f"{span} must be {limit} and the interval reaches past that: not enough evidence of being good"
    )


def _against_champion(
    gate: GateConfig, where: str, found: Interval, rival: Metric | None, *, has_champion: bool
) -> _Outcome | None:
    """Non-inferiority to the champion; None where the gates file says the absolute threshold is enough."""
    relative = gate.relative_to_champion
    if relative is None:
        return None
    if not has_champion:
        if relative.without_champion == "absolute_only":
            return None
        return _Outcome(_OPEN, "there is no champion to compare with")
    other = _interval(gate, f"the champion's {where}", rival)
    if isinstance(other, _Outcome):
        return other
    difference = newcombe_difference(found, other)
    # Worse is up under max and down under min; look at it as "worse by".
    low, high = (difference.low, difference.high) if gate.direction == "max" else (-difference.high, -difference.low)
    span = f"worse than the champion by {_number(low)} to {_number(high)}, allowed {_number(relative.margin)}"
    if high <= relative.margin:
        return _Outcome(_PASS, span)
    return _Outcome(_FAIL if low > relative.margin else _OPEN, span)


def _behind_floors(gate: GateConfig, slice_: str, earlier: Sequence[GateResult]) -> _Outcome | None:
    """Inconclusive unless every floor passed: the same language's where there is one, else all of that name."""
    for floor in gate.requires:
        of_language = [result for result in earlier if result.name == f"{floor}[{slice_}]"]
        found = of_language or [r for r in earlier if r.name == floor or r.name.startswith(f"{floor}[")]
        failed = [result.name for result in found if result.decision is not _PASS]
        if failed or not found:
            names = ", ".join(failed) or floor
            reason = f"the floor {names} did not pass, so this number means nothing"
            return _Outcome(_OPEN, reason, next_step=f"touchstone why RUN  # the floor {names} comes first")
    return None


def _waive(result: GateResult, waivers: Sequence[Waiver], payload_digest: str, created: str) -> GateResult:
    if result.decision not in {_FAIL, _OPEN}:
        return result
    for waiver in waivers:
        if waiver.gate == result.name and waiver.payload_digest == payload_digest and _holds(waiver, created):
            by = f" by {waiver.signer}" if waiver.signer else ""
            reason = f"waived{by} until {waiver.until}: {waiver.reason} (was {result.decision.value}: {result.reason})"
            return result.model_copy(update={"decision": GateDecision.WAIVED, "reason": reason, "next": ""})
    return result


def _holds(waiver: Waiver, created: str) -> bool:
    return _moment(created, f"created {created!r}") <= _moment(waiver.until, f"waiver of {waiver.gate}: until")


def _moment(text: str, what: str) -> datetime:
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time.max, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{what} is no ISO 8601 date; write YYYY-MM-DD") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _next_step(gate: GateConfig, decision: GateDecision, metric: Metric | None) -> str:
    """The next command for whoever has to act; what it is for stands behind the #."""
    if decision in {_PASS, GateDecision.NOT_APPLICABLE, GateDecision.WAIVED}:
        return ""
    if decision is _FAIL:
        return "touchstone run  # with the data or the training mended; what was not touched is reused"
    if metric is None or isinstance(_interval(gate, "", metric.model_copy(update={"n": gate.min_n})), _Outcome):
        return f"touchstone evaluate MODEL --suite {gate.suite}  # see why it has no value"
    wanted = f"at least {gate.min_n} items" if metric.n < gate.min_n else "more items narrow the interval"
    return f"touchstone gate MODEL --data {gate.suite}=PATH  # {wanted}"


def _number(value: float) -> str:
    return f"{value:.4g}"
