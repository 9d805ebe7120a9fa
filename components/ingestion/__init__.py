"""Ingestion: every input form that people have becomes one corpus of records; what cannot is quarantined and counted.

Public names: ``IngestionConfig``, ``SourceConfig`` (``config``); ``read_documents``, ``read_input`` (``readers``);
``ingest_corpus``, ``source_fingerprint`` (``ingest``); ``detect_language`` (``languages``); ``Quarantined``,
``QuarantineReason`` (``records``).
"""

from components.ingestion.config import IngestionConfig, SourceConfig
from components.ingestion.records import Quarantined, QuarantineReason

__all__ = ["IngestionConfig", "QuarantineReason", "Quarantined", "SourceConfig"]
