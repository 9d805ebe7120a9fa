"""Cleaning: repair, normalise, filter, deduplicate and split a corpus; every record dropped has a reason.

Public names: ``CleaningConfig``, ``SplitConfig`` (``config``); ``clean_corpus`` (``clean``); ``split_corpus``
(``split``); ``DropReason`` (``filters``); ``normalise_text`` (``normalise``); ``repair_encoding`` (``repair``);
``HarmScorer`` (``toxicity``); ``measure_deduplication`` (``benchmark``).
"""

from components.cleaning.config import CleaningConfig, Fractions, NearDuplicateConfig, SplitConfig

__all__ = ["CleaningConfig", "Fractions", "NearDuplicateConfig", "SplitConfig"]
