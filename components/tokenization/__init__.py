"""Tokenizer training and the encoding of splits. Import from ``training`` and ``encoding``; this stays light."""

from __future__ import annotations

from components.tokenization.config import EncodingConfig, TokenizerConfig

__all__ = ["EncodingConfig", "TokenizerConfig"]
