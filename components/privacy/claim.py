"""What a private training claims, for its card: numbers, and what they do not cover."""

from __future__ import annotations

from importlib.metadata import version

from pydantic import BaseModel, Field

from components.privacy.accounting import NEIGHBOURS, Mechanism, compose, second_opinion
from components.privacy.audit import PrivacyAudit
from components.privacy.config import ClippingMode, PrivacyConfig, Unit
from components.privacy.mechanism import GENERATORS, SAMPLER

PRIVACY_FILE = "privacy.json"
NOT_COVERED = (
    "dev scores, temperature and every other choice made on held-out records of the same people",
    "figures of the training text in a quality report, as its baselines",
    "the set of labels, the tokenizer, the normaliser and the encoder that training started from",
    "cleaning, deduplication and splitting, which look at several records at once",
    "the number of units, and trainings whose settings were chosen by looking at this data outside of the ledger",
)


class PrivacyClaim(BaseModel):
    """``privacy.json``: one training's guarantee. Epsilon is in nats of privacy loss, at ``delta``."""

    scope: str
    unit: Unit
    neighbours: str
    units: int
    max_rows_per_unit: int
    epsilon: float
    epsilon_second_opinion: float
    epsilon_charged: float
    delta: float
    steps: int
    sampling_rate: float
    noise_multiplier: float
    clip_norm: float
    clipping: ClippingMode
    sampler: str
    accountant: str
    generators: str
    audit: PrivacyAudit | None = Field(default=None, description="None: not audited.")
    not_covered: tuple[str, ...] = NOT_COVERED

    @property
    def refuted(self) -> bool:
        """Whether the audit proves that the claim is wrong."""
        return self.audit is not None and self.audit.epsilon > self.epsilon

    def lines(self) -> list[str]:
        """The claim for people, a line a fact."""
        audited = "not audited"
        if self.audit is not None:
            audited = f"{self.audit.epsilon:.3f}, {self.audit.right} of {self.audit.guesses} canaries guessed right"
        return [
            f"claimed epsilon {self.epsilon:.4f} at delta {self.delta:g}, {self.epsilon_second_opinion:.4f} by PRV",
            f"entered in the ledger for this training, with its retries: epsilon {self.epsilon_charged:.4f}",
            f"audited lower bound of epsilon (95 %): {audited}",
            f"unit: {self.unit}, at most {self.max_rows_per_unit} records each, {self.units:,} units",
            f"neighbouring data sets: {self.neighbours}",
            f"sampler: {self.sampler}, rate {self.sampling_rate:.6g}; {self.steps:,} steps",
            f"noise {self.noise_multiplier:.4f} times clip norm {self.clip_norm:g}; {self.generators}",
            f"accountant: {self.accountant}",
            *(f"not covered: {item}" for item in self.not_covered),
        ]


def make_claim(
    config: PrivacyConfig,
    mechanism: Mechanism,
    *,
    units: int,
    charged: list[Mechanism],
    found: PrivacyAudit | None = None,
) -> PrivacyClaim:
    """The claim of steps that were taken; ``charged`` is everything that was entered for this training."""
    spent = compose([mechanism], config.delta)
    versions = f"dp-accounting {version('dp-accounting')} {spent.accountant.upper()}, opacus {version('opacus')} PRV"
    return PrivacyClaim(
        scope=config.scope,
        unit=config.unit,
        neighbours=NEIGHBOURS,
        units=units,
        max_rows_per_unit=config.max_rows_per_unit,
        epsilon=spent.epsilon,
        epsilon_second_opinion=second_opinion(mechanism, config.delta),
        epsilon_charged=compose(charged, config.delta).epsilon,
        delta=config.delta,
        steps=mechanism.steps,
        sampling_rate=mechanism.sampling_rate,
        noise_multiplier=mechanism.noise_multiplier,
        clip_norm=config.clip_norm,
        clipping=config.clipping,
        sampler=SAMPLER,
        accountant=versions,
        generators=GENERATORS,
        audit=found,
    )
