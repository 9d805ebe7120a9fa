"""Cleaning: normalise, filter, deduplicate and split a corpus; every record dropped has a reason.

Public names: ``CleaningConfig``, ``SplitConfig`` (``config``); ``normalise_text`` (``normalise``); ``clean_corpus``,
``DropReason`` (``clean``); ``split_corpus`` (``split``); ``find_near_duplicates`` (``near_duplicates``).
"""

from components.cleaning.config import CleaningConfig, Fractions, NearDuplicateConfig, SplitConfig

__all__ = ["CleaningConfig", "Fractions", "NearDuplicateConfig", "SplitConfig"]
