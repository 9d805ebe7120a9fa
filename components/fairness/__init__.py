"""Fairness of the training data: counterfactual substitution and reweighing over groups.

Modules: ``lexicon`` (attribute terms of a language), ``swap`` (one text), ``balance`` (the stage), ``reweigh``.
"""

from components.fairness.config import BalanceConfig

__all__ = ["BalanceConfig"]
