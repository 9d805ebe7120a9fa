"""Surrogates of person names: word for word, so that a full name and a part of it stay the same person.

``Grace Mercer`` → ``Tara Halerwick``, ``Ms Mercer`` → ``Ms Halerwick``, ``MERCER, Grace`` → ``HALERWICK, Tara``. A
word's part in a name is decided by the word alone (a known given name or else a surname), never by where it stands.
Sex is kept where the given name marks it, script always, length by class.
"""

from __future__ import annotations

import re
from functools import cache

from components.scrubbing.surrogates.keyed import Keyed
from components.scrubbing.surrogates.shapes import is_sealed, make_shape
from components.scrubbing.surrogates.vocabulary import (
    Gender,
    Vocabulary,
    gendered_characters,
    length_class,
    plain,
    words_of,
)

_LATIN = r"A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_WORD = re.compile(rf"[{_LATIN}]+(?:['’][{_LATIN}]+)?")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_KEPT = frozenset(
    words_of(
        "mr mrs ms mx miss dr prof professor sir dame lord lady rev judge st jr sr ii iii iv de da do dos di del der "
        "den du van von bin ibn al el la le y and e of"
    )
)
_GIVEN_LOCALES = ("en_US", "en_GB", "en_IE", "en_IN", "en_NZ", "es_ES", "fr_FR", "de_DE", "it_IT", "pt_BR", "nl_NL")
_NICKNAME_HAN = frozenset("小老阿")
_KEPT_HAN = frozenset("某")
_COMPOUND_HAN = frozenset(
    words_of(
        "欧阳 司马 上官 诸葛 夏侯 皇甫 尉迟 公孙 慕容 令狐 司徒 宇文 端木 "
        "东方 南宫 独孤 欧陽 歐陽 司馬 諸葛 公孫 尉遲 東方 南宮 獨孤"
    )
)


class NameMaker:
    """Names in, names out, for one key."""

    def __init__(self, keyed: Keyed, vocabulary: Vocabulary) -> None:
        """The vocabulary must belong to the same key."""
        self._keyed, self._words = keyed, vocabulary

    def make(self, value: str) -> str | None:
        """The surrogate; None for a name in a script that has no alphabet here."""
        if _HAN.search(value):
            made = _HAN.sub(lambda match: self._make_han(match.group()), value)
            return _WORD.sub(lambda match: self._make_word(match.group()), made)
        if _WORD.search(value):
            rest = _WORD.sub("", value)
            if any(symbol.isalpha() for symbol in rest):
                return make_shape(value, self._keyed, kind="name")
            return _WORD.sub(lambda match: self._make_word(match.group()), value)
        return make_shape(value, self._keyed, kind="name")

    def recognises(self, value: str) -> bool:
        """Whether every word of it is a surrogate's, and at least one is."""
        latin = [word for word in _WORD.findall(value) if plain(word) not in _KEPT and len(plain(word)) > 1]
        han = _HAN.findall(value)
        if not latin and not han:
            return is_sealed(value, self._keyed, "name")
        return all(map(self._is_made_word, latin)) and all(map(self._is_made_han, han))

    def make_word(self, word: str) -> str:
        """The surrogate of one Latin word of a name, in lower case."""
        identity = plain(word)
        gender = _known_given_names().get(identity, "unmarked")
        return self._words.coin(identity) if gender == "unmarked" else self._given(identity, gender)

    def is_made_word(self, word: str) -> bool:
        """Whether a Latin word is a surrogate's."""
        identity = plain(word)
        return identity in self._words.coined_words or identity in self._words.given_names

    def _make_word(self, word: str) -> str:
        word, possessive = _cut_possessive(word)
        identity = plain(word)
        if identity in _KEPT:
            return word + possessive
        # Initials become one and the same: a letter says little, and the same letter nothing.
        initial = self._keyed.choose("abcdefghijklmnoprstw", "initial")
        made = initial if len(identity) <= 1 else self.make_word(word)
        return match_case(made, word) + possessive

    def _is_made_word(self, word: str) -> bool:
        return self.is_made_word(_cut_possessive(word)[0])

    def _given(self, identity: str, gender: Gender) -> str:
        names = self._words.given[gender]
        alike = [name for name in names if length_class(name) == length_class(identity)] or names
        return self._keyed.choose(alike, "given", identity)

    def _make_han(self, name: str) -> str:
        simple = to_simplified(name)
        made = self._make_simplified(simple)
        return to_traditional(made) if simple != name else made

    def _make_simplified(self, name: str) -> str:
        if name in _KEPT_HAN:
            return name
        if len(name) > 1 and name[0] in _NICKNAME_HAN and len(name) <= 2:
            return name[0] + self._surname(name[1:])
        surname, given = split_han(name)
        if len(given) > 2:
            return self._words.coin_han(name)
        return self._surname(surname) + (self._han_given(given) if given else "")

    def _surname(self, surname: str) -> str:
        return self._keyed.choose(self._words.han_surnames, "han surname", surname)

    def _han_given(self, given: str) -> str:
        return self._keyed.choose(self._words.han_given[gender_of_han(given), len(given)], "han given", given)

    def _is_made_han(self, name: str) -> bool:
        simple = to_simplified(name)
        if simple in _KEPT_HAN or self._words.is_coined_han(simple):
            return True
        if len(simple) == 2 and simple[0] in _NICKNAME_HAN:
            return simple[1] in self._words.han_surnames
        surname, given = split_han(simple)
        return surname in self._words.han_surnames and (not given or given in self._words.han_given_names)


def _cut_possessive(word: str) -> tuple[str, str]:
    return (word[:-2], word[-2:]) if word[-2:] in {"'s", "’s"} else (word, "")


def split_han(name: str) -> tuple[str, str]:
    """Surname and given name of a Chinese name."""
    head = 2 if name[:2] in _COMPOUND_HAN else 1
    return name[:head], name[head:]


def gender_of_han(given: str) -> Gender:
    """The sex that the characters of a given name mark, if they agree."""
    marked = _gendered()
    female = any(character in marked["female"] for character in given)
    male = any(character in marked["male"] for character in given)
    return "unmarked" if female == male else "female" if female else "male"


def match_case(made: str, original: str) -> str:
    """``made`` (lower case) in the case of the word that it replaces."""
    letters = [symbol for symbol in original if symbol.isalpha()]
    if len(letters) > 1 and all(symbol.isupper() for symbol in letters):
        return made.upper()
    return made.capitalize() if letters and letters[0].isupper() else made


@cache
def _gendered() -> dict[str, frozenset[str]]:
    return gendered_characters()


@cache
def _known_given_names() -> dict[str, Gender]:
    """Given names of eleven locales of Faker, with the sex they mark; under both sexes, unmarked."""
    import importlib

    known: dict[str, Gender] = {}
    sexes: tuple[tuple[str, Gender], ...] = (("first_names_female", "female"), ("first_names_male", "male"))
    for locale in _GIVEN_LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute, gender in sexes:
            for name in getattr(provider, attribute, ()):
                identity = plain(name)
                known[identity] = gender if known.get(identity, gender) == gender else "unmarked"
    return known


@cache
def _converter(direction: str) -> object:
    from opencc import OpenCC

    return OpenCC(direction)


def to_simplified(text: str) -> str:
    """Traditional characters as simplified ones."""
    return str(_converter("t2s").convert(text))  # type: ignore[attr-defined]


def to_traditional(text: str) -> str:
    """Simplified characters as traditional ones."""
    return str(_converter("s2t").convert(text))  # type: ignore[attr-defined]
