"""JSON Lines at speed: ``orjson`` where it is exact, the standard library where only that is.

``orjson`` reads integers beyond 64 bits as floats and refuses NaN; records that hold a number with a fraction, a list
or an object take the slow road, so that no field but the text changes.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

_EXACT = frozenset((str, int, bool, type(None)))


def parse_line(line: bytes) -> Any:
    """The value of one line. Raises ValueError (or RecursionError) if it is no JSON."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line.decode("utf-8"))
    if type(value) is not dict or _EXACT.issuperset(map(type, value.values())):
        return value
    return json.loads(line)


def format_line(record: dict[str, Any]) -> bytes:
    """One line with its end; keys keep their order."""
    if _EXACT.issuperset(map(type, record.values())):
        try:
            return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        except (TypeError, ValueError):  # an integer beyond 64 bits, or half of a surrogate pair
            pass
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
