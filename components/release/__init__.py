"""Release: keys, signed statements, approvals, and the check of the whole chain.

Needs ``components.core``, the payload manifest and ``cryptography`` alone: the registry, the loader and an auditor's
laptop all verify with it. Entry points: ``keys.KeyRing``, ``release.seal_release``, ``approvals.approve``,
``verify.verify_release``, ``verify.promotable``, ``cards.model_card``.
"""

from components.release.config import ReleaseConfig

__all__ = ["ReleaseConfig"]
