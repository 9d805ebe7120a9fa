"""Privacy in training: an account of what was spent, private gradients, and the audit of the claim."""

from components.privacy.config import PrivacyConfig

__all__ = ["PrivacyConfig"]
