"""Our detection beside Presidio's: the same recognisers over the same documents in one run, by turns."""

from components.scrubbing.benchmark.documents import STRUCTURED_LABELS, BenchDocument, make_documents
from components.scrubbing.benchmark.measure import BenchReport, Contender, Quality, Speed, compare, speeds_by_turns

__all__ = [
    "STRUCTURED_LABELS",
    "BenchDocument",
    "BenchReport",
    "Contender",
    "Quality",
    "Speed",
    "compare",
    "make_documents",
    "speeds_by_turns",
]
