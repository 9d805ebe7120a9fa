"""What the readers of all formats share: rows, limits and the check of a table's columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from components.ingestion.config import SourceConfig
from components.ingestion.records import FileError, QuarantineReason

# The line (or row of a table) it starts on, from 1, and what was read there.
Row = tuple[int, Mapping[str, Any] | QuarantineReason]


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a reader needs to know beside the bytes."""

    name: str
    source: SourceConfig
    columns: Mapping[str, str]
    max_record_bytes: int
    keep_unknown_columns: bool


def check_columns(header: Iterable[str], limits: ReadLimits) -> None:
    """Raises FileError if the text column, or another that the config names, is not among a table's columns."""
    present = list(header)
    missing = [
        f"{ours} ({theirs!r})"
        for ours, theirs in limits.columns.items()
        if theirs not in present and (ours == "text" or theirs != ours)
    ]
    if missing:
        named = ", ".join(printable(name) for name in present[:20])
        raise FileError(
            f"{limits.name}, line 1: no column for {', '.join(missing)}; the columns are {named or 'none'}; "
            "name the right ones in ingestion.columns (or --column text=NAME)",
            QuarantineReason.OTHER_SCHEMA,
        )


def printable(name: str, limit: int = 60) -> str:
    """A foreign name that is safe in one line of a log: cut, and without what cannot be printed."""
    return name[:limit].encode("utf-8", "backslashreplace").decode("utf-8").translate(_UNPRINTABLE)


# Control characters, line and paragraph separators, and marks that turn the direction of writing.
_UNPRINTABLE = dict.fromkeys((*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F)), "?")
