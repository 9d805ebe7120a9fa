"""The privacy ledger: what has been spent of each scope's budget, a chained log that outlives every run.

A scope names the people whose data it is; a corpus that changes by a row goes on in the same account. Steps are entered
before they are taken, so a process that dies at any moment has entered at least what it took; nothing is ever given
back. A ledger whose chain is broken admits no further step until a person accepts what can still be read of it.

On disk: ``ledger/ledger.jsonl`` under the home, its head with the keys (``components.core.chain``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from components.core.chain import ChainedLog, ChainedRecord
from components.core.errors import ConfigError
from components.privacy.accounting import Mechanism, Spent, compose
from components.privacy.config import PrivacyConfig, Unit

_LOOK = "touchstone ledger"


class LedgerRecord(ChainedRecord):
    """One line: steps that may now be taken, or what a person accepted of a broken ledger."""

    kind: Literal["charge", "carried", "accepted"]
    scope: str = ""
    run: str = Field(description="Which training of which run.")
    actor: str
    unit: Unit | None = None
    sampling_rate: float = Field(default=0.0, ge=0, le=1)
    noise_multiplier: float = Field(default=0.0, ge=0)
    steps: int = Field(default=0, ge=0)
    delta: float = Field(default=0.0, ge=0, lt=1, description="Delta of the scope's lifetime budget.")
    lifetime_epsilon: float = Field(default=0.0, ge=0, description="The lifetime budget, as configured by that run.")
    reason: str = ""

    def mechanism(self) -> Mechanism:
        """The steps as a mechanism."""
        return Mechanism(self.sampling_rate, self.noise_multiplier, self.steps)


class RunSpent(BaseModel):
    """What one training of one run has entered; epsilon at the scope's delta, of this training alone."""

    run: str
    actor: str
    steps: int
    epsilon: float


class ScopeSpent(BaseModel):
    """A scope's account. Epsilons of its runs do not add up to its own: composition is tighter."""

    scope: str
    units: list[Unit]
    epsilon: float
    delta: float
    lifetime_epsilon: float
    remaining: float
    accountant: str
    steps: int
    runs: list[RunSpent]


@dataclass(frozen=True)
class LedgerPlace:
    """Where the ledger is and who writes: plain data, which crosses into a worker."""

    path: Path
    head: Path
    actor: str
    run: str


class Ledger(ChainedLog[LedgerRecord]):
    """The ledger of one home."""

    def __init__(self, path: Path, head: Path) -> None:
        """Nothing is made before the first record."""
        super().__init__(LedgerRecord, path, head, look=_LOOK)

    def open_account(self, config: PrivacyConfig, mechanism: Mechanism, *, run: str, actor: str) -> Account:
        """An account for a planned training.

        Raises:
            IntegrityError: The chain is broken.
            ConfigError: The plan together with everything the scope has spent is above its lifetime budget.
        """
        account = Account(self, config, mechanism, run, actor)
        account.check_plan(self.trusted_records())
        return account

    def accept(self, *, actor: str, reason: str) -> Path:
        """Go on after a broken chain with every charge that can still be read; returns where the old ledger is.

        What a break took away nobody can know: lower the lifetime budgets of the scopes by what may be missing.
        """
        found = self.readable_records()
        aside = self.put_aside()
        self.add({"kind": "accepted", "run": aside.name, "actor": actor, "reason": reason})
        for record in _condensed(found):
            self.add(record)
        return aside


@dataclass
class Account:
    """Charges of one attempt of one training; ``reserve`` comes before the steps."""

    ledger: Ledger
    config: PrivacyConfig
    mechanism: Mechanism
    run: str
    actor: str
    reserved: int = 0
    _covered: int | None = field(
        default=None, repr=False
    )  # records, as long as nobody else wrote since the plan's check

    def check_plan(self, records: Sequence[LedgerRecord]) -> Spent:
        """Epsilon with the whole plan. Raises ConfigError if it is above the lifetime budget."""
        spent = self._within(records, self.mechanism.steps, "this training does not start: it would not be within")
        self._covered = len(records)
        return spent

    def reserve(self, steps: int) -> None:
        """Enter steps that may be taken once this returns; it is on the disk then.

        Raises:
            IntegrityError: The chain is broken.
            ConfigError: Others have spent meanwhile and these steps would be above the lifetime budget.
        """
        values = {
            "kind": "charge",
            "scope": self.config.scope,
            "run": self.run,
            "actor": self.actor,
            "unit": self.config.unit,
            "sampling_rate": self.mechanism.sampling_rate,
            "noise_multiplier": self.mechanism.noise_multiplier,
            "steps": steps,
            "delta": self.config.delta,
            "lifetime_epsilon": self.config.lifetime_epsilon,
        }

        def check() -> None:
            records = self.ledger.trusted(self.ledger.read_unlocked())
            # As planned and nobody else wrote: the plan's check covers it, and composing again would take a second.
            if len(records) != self._covered or self.reserved + steps > self.mechanism.steps:
                self._within(records, steps, "the next steps would not be within")
                self._covered = None
            else:
                self._covered += 1

        self.ledger.add(values, check=check)
        self.reserved += steps

    def _within(self, records: Sequence[LedgerRecord], steps: int, what: str) -> Spent:
        config = self.config
        spent = [record.mechanism() for record in records if record.scope == config.scope]
        planned = Mechanism(self.mechanism.sampling_rate, self.mechanism.noise_multiplier, steps)
        together = compose([*spent, planned], config.delta)
        if not together.epsilon <= config.lifetime_epsilon:
            before = compose(spent, config.delta).epsilon
            raise ConfigError(
                f"privacy.lifetime_epsilon: {what} {config.lifetime_epsilon} for scope {config.scope}: "
                f"{before:.4f} is spent, {together.epsilon:.4f} with {steps} steps more (delta {config.delta}); "
                f"look: {_LOOK} --scope {config.scope}"
            )
        return together


def spent_by_scope(records: Iterable[LedgerRecord], scope: str | None = None) -> list[ScopeSpent]:
    """Every scope's account, or one's, by name. The budget and delta are those of its last charge."""
    by_scope: dict[str, list[LedgerRecord]] = {}
    for record in records:
        if record.kind != "accepted" and scope in {None, record.scope}:
            by_scope.setdefault(record.scope, []).append(record)
    return [_scope_spent(name, by_scope[name]) for name in sorted(by_scope)]


def _scope_spent(name: str, charges: list[LedgerRecord]) -> ScopeSpent:
    last = charges[-1]
    spent = compose([charge.mechanism() for charge in charges], last.delta)
    by_run: dict[tuple[str, str], list[Mechanism]] = {}
    for charge in charges:
        by_run.setdefault((charge.run, charge.actor), []).append(charge.mechanism())
    return ScopeSpent(
        scope=name,
        units=sorted({charge.unit for charge in charges if charge.unit is not None}),
        epsilon=spent.epsilon,
        delta=last.delta,
        lifetime_epsilon=last.lifetime_epsilon,
        remaining=max(0.0, last.lifetime_epsilon - spent.epsilon),
        accountant=spent.accountant,
        steps=sum(charge.steps for charge in charges),
        runs=[
            RunSpent(
                run=run,
                actor=actor,
                steps=sum(one.steps for one in mechanisms),
                epsilon=compose(mechanisms, last.delta).epsilon,
            )
            for (run, actor), mechanisms in by_run.items()
        ],
    )


def _condensed(records: Iterable[LedgerRecord]) -> list[dict[str, object]]:
    """A carried charge for each run and mechanism of each scope."""
    sums: dict[tuple[object, ...], LedgerRecord] = {}
    for record in records:
        if record.kind == "accepted":
            continue
        key = (record.scope, record.run, record.actor, record.unit, record.sampling_rate, record.noise_multiplier)
        before = sums[key].steps if key in sums else 0
        sums[key] = record.model_copy(update={"steps": before + record.steps, "kind": "carried"})
    chained = {"seq", "time", "previous", "hash"}
    return [record.model_dump(exclude=chained) for record in sums.values()]


def open_ledger(place: LedgerPlace) -> Ledger:
    """The ledger of a place."""
    return Ledger(place.path, place.head)
