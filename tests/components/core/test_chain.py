from __future__ import annotations

from pathlib import Path

import pytest

from components.core.chain import ChainedLog, ChainedRecord


class Note(ChainedRecord):
    words: str


class CrashError(Exception):
    pass


class CrashingLog(ChainedLog[Note]):
    """Dies after the line and before the head, which names the record that was to be written."""

    crashes = ""

    def _write_head(self, record: Note) -> None:
        if record.words == self.crashes:
            raise CrashError
        super()._write_head(record)


def test_two_crashes_in_a_row_leave_a_log_that_holds(tmp_path: Path) -> None:
    log = CrashingLog(Note, tmp_path / "log.jsonl", tmp_path / "log.head", look="nothing")
    log.add({"words": "first"})
    for words in ("second", "third"):
        log.crashes = words
        with pytest.raises(CrashError):
            log.add({"words": words})
        log.crashes = ""
    assert [record.words for record in log.trusted_records()] == ["first", "second", "third"]
    log.add({"words": "fourth"})
    assert len(log.trusted_records()) == 4
