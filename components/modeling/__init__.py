"""Pretraining, fine-tuning and inference of BERT-style models. Import from the modules; this package stays light.

``pretraining.pretrain``, ``finetuning.finetune``, ``inference.TextClassifier``, ``inference.MaskedLanguageModel``.
"""

from __future__ import annotations

from components.modeling.config import ArchitectureConfig, FinetuningConfig, PretrainingConfig

__all__ = ["ArchitectureConfig", "FinetuningConfig", "PretrainingConfig"]
