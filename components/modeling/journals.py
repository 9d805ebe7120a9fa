"""Names of the files that a training leaves; reading them needs no network library."""

from __future__ import annotations

JOURNAL_FILE = "metrics.jsonl"
PERFORMANCE_FILE = "performance.jsonl"
QUALITY_FILE = "quality.html"
