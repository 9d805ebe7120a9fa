"""Safety filter: harmful content in requests and answers is blocked, personal data is redacted, errors refuse.

Entry points: ``components.safety.training.train_filter`` and ``components.safety.filter.SafetyFilter``.
"""

from components.safety.config import SafetyConfig

__all__ = ["SafetyConfig"]
