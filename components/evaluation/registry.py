"""Suites by name, for configs that name them. Adding one twice is refused; an unknown name is answered helpfully."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from components.core.errors import ConfigError
from components.evaluation.catalogue import explain_unknown
from components.evaluation.context import EvaluationContext
from components.evaluation.reporting import SuiteResult

Suite = Callable[[EvaluationContext, Any], SuiteResult]

_SUITES: dict[str, str] = {}


def register_suite(name: str, location: str) -> None:
    """Register ``module:function`` under a name. Raises ConfigError if the name is taken."""
    if name in _SUITES:
        raise ConfigError(f"suite {name!r} is registered already ({_SUITES[name]}); choose another name")
    _SUITES[name] = location


def known_suites() -> tuple[str, ...]:
    """Names in the order of registration."""
    return tuple(_SUITES)


def find_suite(name: str) -> Suite:
    """The suite of a name. Raises ConfigError listing the known names and the nearest one."""
    if name not in _SUITES:
        raise ConfigError(explain_unknown("suite", name, _SUITES))
    module, _, function = _SUITES[name].partition(":")
    found: Suite = getattr(import_module(module), function)
    return found


for _name, _function in {
    "perplexity": "measure_perplexity",
    "crows_pairs": "measure_crows_pairs",
    "stereoset": "measure_stereoset",
    "counterfactual": "measure_counterfactual",
    "group_fairness": "measure_group_fairness",
    "exposure": "measure_exposure",
    "membership": "measure_membership",
    "pii_extraction": "measure_pii_extraction",
    "task_quality": "measure_task_quality",
    "data_quality": "measure_data_quality",
}.items():
    register_suite(_name, f"components.evaluation.suites.{_name}:{_function}")
