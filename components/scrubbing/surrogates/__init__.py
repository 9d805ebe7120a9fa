"""Surrogates: values that look like what they replace, belong to nobody, and are known again by whoever has the key.

``Surrogates(key).replace(value, label)`` is a pure function of key, label and value: the same person gets the same
surrogate in every record, shard and run of that key. ``recognises`` says whether a value is a surrogate already; that
makes replacing idempotent (``infra/decisions/0007-surrogates-know-themselves.md``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.scrubbing.surrogates.dates import make_age, make_date
from components.scrubbing.surrogates.identifiers import (
    is_documentation_ip,
    is_local_mac,
    is_no_card,
    is_no_cn_id,
    is_no_iban,
    is_no_nhs,
    is_no_nino,
    is_no_uscc,
    is_unissued_plate,
    is_unissued_ssn,
    make_card,
    make_cn_id,
    make_iban,
    make_ip,
    make_mac,
    make_nhs,
    make_nino,
    make_plate,
    make_ssn,
    make_uscc,
    make_wallet,
)
from components.scrubbing.surrogates.keyed import Keyed
from components.scrubbing.surrogates.names import NameMaker
from components.scrubbing.surrogates.phones import is_fictional_phone, make_phone
from components.scrubbing.surrogates.shapes import is_sealed, make_shape
from components.scrubbing.surrogates.vocabulary import Vocabulary
from components.scrubbing.surrogates.words import WordMaker

__all__ = ["Surrogates"]

_REMEMBERED = 50_000
# A wrong checksum can make a detector see a number of another kind in a surrogate: a telephone number in a card. Among
# these kinds a right checksum decides.
_CHECKED = ("CREDIT_CARD", "CN_BANK_CARD", "IBAN_CODE", "CN_ID_CARD", "CN_SOCIAL_CREDIT_CODE", "UK_NHS")


@dataclass(frozen=True, slots=True)
class _Kind:
    """How surrogates of a label are made and known. ``make`` gives None where a value leaves no room for one."""

    make: Callable[[str], str | None]
    recognises: Callable[[str], bool]


class Surrogates:
    """Surrogates of one key, for every label."""

    def __init__(self, key: bytes) -> None:
        """The key is the corpus's secret: the same key gives the same surrogates."""
        keyed = Keyed(key)
        words = Vocabulary(keyed)
        names = NameMaker(keyed, words)
        self._keyed = keyed
        self._kinds = _kinds(keyed, names, WordMaker(keyed, words, names))
        self._remembered: dict[tuple[str, str], str] = {}

    def replace(self, value: str, label: str) -> str:
        """The surrogate of a value: itself if it is one, ``[LABEL]`` where none can be made."""
        known = self._remembered.get((value, label))
        if known is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            known = self._remembered[value, label] = self._replace(value, label)
        return known

    def recognises(self, value: str, label: str) -> bool:
        """Whether a value found under a label is a surrogate, of that label or of one that it may be taken for."""
        kind = self._kinds.get(label)
        if kind.recognises(value) if kind else is_sealed(value, self._keyed, label):
            return True
        return label not in _CHECKED and any(self._kinds[other].recognises(value) for other in _CHECKED)

    def _replace(self, value: str, label: str) -> str:
        if self.recognises(value, label):
            return value
        made = self._make(value, label)
        # What would be replaced again cannot be told from a value: better a placeholder.
        stable = made is not None and (self.recognises(made, label) or self._make(made, label) == made)
        return made if made is not None and stable else f"[{label}]"

    def _make(self, value: str, label: str) -> str | None:
        kind = self._kinds.get(label)
        return kind.make(value) if kind else make_shape(value, self._keyed, kind=label)


def _kinds(keyed: Keyed, names: NameMaker, words: WordMaker) -> dict[str, _Kind]:
    def numbered(
        make: Callable[[str, Keyed], str | None], name: str, unissued: Callable[[str], bool] = lambda _: True
    ) -> _Kind:
        return _Kind(lambda value: make(value, keyed), lambda value: unissued(value) and is_sealed(value, keyed, name))

    phrase = _Kind(words.make_phrase, words.recognises_phrase)
    ssn = _Kind(lambda value: make_ssn(value, keyed), lambda value: is_unissued_ssn(value, keyed))
    return {
        "PERSON": _Kind(names.make, names.recognises),
        "EMAIL_ADDRESS": _Kind(words.make_email, words.recognises_email),
        "URL": _Kind(words.make_url, words.recognises_url),
        "USERNAME": _Kind(words.make_username, words.recognises_username),
        **dict.fromkeys(("LOCATION", "ORGANIZATION", "STREET_ADDRESS", "NRP"), phrase),
        "PHONE_NUMBER": _Kind(lambda value: make_phone(value, keyed), lambda value: is_fictional_phone(value, keyed)),
        "IP_ADDRESS": _Kind(lambda value: make_ip(value, keyed), is_documentation_ip),
        "MAC_ADDRESS": numbered(make_mac, "mac", is_local_mac),
        **dict.fromkeys(("US_SSN", "US_ITIN"), ssn),
        **dict.fromkeys(("CREDIT_CARD", "CN_BANK_CARD"), numbered(make_card, "card", is_no_card)),
        "IBAN_CODE": numbered(make_iban, "iban", is_no_iban),
        "CRYPTO": numbered(make_wallet, "wallet"),
        "UK_NHS": numbered(make_nhs, "nhs", is_no_nhs),
        "UK_NINO": numbered(make_nino, "nino", is_no_nino),
        "CN_ID_CARD": numbered(make_cn_id, "cn id", is_no_cn_id),
        "CN_SOCIAL_CREDIT_CODE": numbered(make_uscc, "uscc", is_no_uscc),
        "CN_LICENSE_PLATE": _Kind(
            lambda value: make_plate(value, keyed), lambda value: is_unissued_plate(value, keyed)
        ),
        "DATE_TIME": _Kind(lambda value: make_date(value, keyed), lambda _: False),
        "AGE": _Kind(lambda value: make_age(value, keyed), lambda _: False),
    }
