"""One row a record: numbers and categories that speak of the record without its text.

Both libraries see only such a table, so no report of theirs can hold a value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from components.core.corpus import Record
from components.ingestion.languages import detect_language

if TYPE_CHECKING:
    import pandas as pd

# Text and language of a record to the number of values found in it.
CountPersonalData = Callable[[str, str | None], int]

_SPACE = re.compile(r"\s+")


def quality_frame(records: Iterable[Record], count_personal_data: CountPersonalData | None) -> pd.DataFrame:
    """A row a record; a flag is 1.0 or 0.0, and NaN where it cannot be known (no text, no detector).

    Columns: ``text_is_missing``, ``n_characters``, ``lang``, ``is_wrong_language``, ``is_duplicate``,
    ``has_personal_data``, ``label``, ``id_is_missing``, ``id_is_repeated``.
    """
    import pandas as pd

    seen_texts: set[bytes] = set()
    seen_ids: set[str] = set()
    rows = [_row(record, seen_texts, seen_ids, count_personal_data) for record in records]
    frame = pd.DataFrame(rows, columns=list(QUALITY_COLUMNS))
    return frame.astype({name: float for name in QUALITY_COLUMNS if name not in _CATEGORIES})


QUALITY_COLUMNS = (
    "text_is_missing",
    "n_characters",
    "lang",
    "is_wrong_language",
    "is_duplicate",
    "has_personal_data",
    "label",
    "id_is_missing",
    "id_is_repeated",
)
_CATEGORIES = frozenset({"lang", "label"})


def _row(
    record: Record, seen_texts: set[bytes], seen_ids: set[str], count_personal_data: CountPersonalData | None
) -> dict[str, Any]:
    text, lang, name = record.get("text"), record.get("lang"), record.get("id")
    row: dict[str, Any] = {
        "text_is_missing": float(not isinstance(text, str) or not text.strip()),
        "lang": lang if isinstance(lang, str) else None,
        "label": str(record["label"]) if record.get("label") is not None else None,
        "id_is_missing": float(not isinstance(name, str) or not name),
        "id_is_repeated": float(isinstance(name, str) and name in seen_ids),
    }
    if isinstance(name, str):
        seen_ids.add(name)
    if not isinstance(text, str) or not text.strip():
        return row
    # A digest, not the text: the set of a large corpus stays small.
    key = hashlib.blake2b(_SPACE.sub(" ", text).strip().casefold().encode("utf-8", "replace"), digest_size=12).digest()
    detected = detect_language(text)[0]
    row |= {
        "n_characters": float(len(text)),
        "lang": row["lang"] or detected,
        "is_wrong_language": float(detected != (row["lang"] or detected) or detected == "other"),
        "is_duplicate": float(key in seen_texts),
        "has_personal_data": float(count_personal_data(text, lang) > 0) if count_personal_data else None,
    }
    seen_texts.add(key)
    return row
