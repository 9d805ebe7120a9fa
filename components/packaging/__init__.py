"""Payload: weights, tokenizer, filter, serving code and config, listed with the digest of every file.

Entry points: ``payload.build_payload``, ``manifest.verify_payload``, ``serving.GuardedModel``, ``server.build_app``,
``export.export_model``.
"""

from components.core.payload import PayloadManifest, verify_payload
from components.packaging.config import PackagingConfig

__all__ = ["PackagingConfig", "PayloadManifest", "verify_payload"]
