"""Ids: every record of a corpus has one that no other has.

A given id is kept where it is new; a repeated one gets ``~2``, ``~3``, …. Without one, the id is made from a keyed
digest of the text and its position among equal texts, so it survives reordering and growth of the corpus. Ids stand in
reports and in what is handed on; a digest without a key could be tried out against guesses of a short text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from components.core.corpus import Record
from components.core.repeats import digest_key

MAX_ID_CHARACTERS = 200
_PERSON = b"touchstone ids"  # at most 16 bytes; parts this use of the key from any other
_NUMBERED = re.compile(r"~[0-9]+$")


def base_identifier(record: Record, key: bytes | None) -> str | None:
    """The record's own id, or one made from its text under ``key``; other records may have the same.

    Without a key, None where there is no id of its own, or one that is too long to be kept.
    """
    given = record.get("id")
    if isinstance(given, str) and len(given) <= MAX_ID_CHARACTERS:
        return given
    if key is None:
        return None
    source = (given or record["text"]).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(source, digest_size=8, key=key[: hashlib.blake2b.MAX_KEY_SIZE], person=_PERSON).hexdigest()


def looks_numbered(identifier: str) -> bool:
    """Whether an id could be one that ``number_identifier`` makes."""
    return "~" in identifier and _NUMBERED.search(identifier) is not None


def number_identifier(identifier: str, earlier: int, is_taken: Callable[[str], bool]) -> str:
    """The id of a record before which ``earlier`` others had the same: as it is, else ``id~2``, ``id~3``, ….

    A number takes leading zeros until the id ``is_taken`` by no record as its own. So ids differ wherever
    (identifier, earlier) do.
    """
    if not earlier:
        return identifier
    numbered = f"{identifier}~{earlier + 1}"
    while is_taken(numbered):
        numbered = numbered[: len(identifier) + 1] + "0" + numbered[len(identifier) + 1 :]
    return numbered


class IdentifierRegistry:
    """Gives every record of a stream its id, one after the other."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._repeats: dict[bytes, int] = {}

    def assign(self, base: str) -> str:
        """The unique id of the next record whose own is ``base``."""
        key = digest_key(base)
        if key not in self._seen:
            self._seen.add(key)
            return base
        while True:
            self._repeats[key] = self._repeats.get(key, 1) + 1
            identifier = f"{base}~{self._repeats[key]}"
            if (numbered := digest_key(identifier)) not in self._seen:
                self._seen.add(numbered)
                return identifier
