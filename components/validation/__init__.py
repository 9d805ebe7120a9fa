"""Validation: is a corpus what it should be (Great Expectations), and is it still what it was (Evidently)?

Modules: ``schema`` (the first check on what came in), ``suite`` (the quality suite on what goes out), ``drift``.
Reports hold counts and shares, never a value. Nothing passes by being empty.
"""

from components.validation.config import DriftConfig, ValidationConfig

__all__ = ["DriftConfig", "ValidationConfig"]
