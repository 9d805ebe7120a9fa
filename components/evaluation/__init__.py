"""Measurement: numbers with n and intervals about a payload, never a judgement.

Light names are here; ``components.evaluation.evaluate`` holds ``evaluate_payload`` and ``evaluate_suite``,
``components.evaluation.statistics`` the intervals.
"""

from components.evaluation.catalogue import SUITE_METRICS, SUITES, MetricInfo, explain_unknown
from components.evaluation.config import SUITE_CONFIGS, EvaluationConfig, SuiteConfig

__all__ = [
    "SUITES",
    "SUITE_CONFIGS",
    "SUITE_METRICS",
    "EvaluationConfig",
    "MetricInfo",
    "SuiteConfig",
    "explain_unknown",
]
