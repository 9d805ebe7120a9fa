"""The words that surrogates are made of, chosen by the key: nobody without it knows which they are.

- *Coined words* (``Halerwick``): parts of English place names put together. Surnames, places, firms and the local
  parts of addresses are made of them. Of all combinations the key admits one in eight.
- *Given names*: real ones, marked female or male, from the rarest quarter of Faker's US census list, half of them by
  key (a given name of either sex, or of none known, gets a coined word). A bare first name of a text is among them, and
  so left as it is, with a chance of about fifteen in a thousand.
- *Chinese surnames*: the rarest of Faker's list (4 % of the population together), half of them by key. *Chinese
  given names*: two characters of names of one sex, one combination in eight by key; of single characters one in four.
- *Chinese words* for places and firms: characters that names of places favour, the last one a seal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import product
from typing import Literal

from components.scrubbing.surrogates.keyed import Keyed

Gender = Literal["female", "male", "unmarked"]


def words_of(text: str) -> tuple[str, ...]:
    """The words of a list that reads better as a text."""
    return tuple(text.split())


# Parts of English place names; the combination is what nobody bears.
_STEMS = words_of(
    "Al As Bal Bar Bel Ber Bex Bol Bran Bren Bryn Cal Car Chel Col Cor Crom Dal Dar Den Dor Dun El Em Far Fel Fen Gal "
    "Gar Gel Glen Gran Hal Har Haw Hol Hor Ing Kel Ken Kir Lam Lan Lin Lor Mal Mar Mel Mor Nor Orm Os Pel Pen Pol Quen "
    "Ral Ran Rel Ros Ruth Sal Sel Shel Sol Stan Ster Sut Tal Tar Thel Thorn Tor Ul Val Ver Wal War Wen Wil Wyn Yar Zel"
)
_MIDDLES = ("", "a", "e", "i", "o", "er", "in", "en", "ing", "an", "el", "is")
_ENDINGS = words_of(
    "ard bane beck bold borne bray by cote combe croft dale den don fell field ford gate grave ham hurst ker lam land "
    "ley lin lock low man mere mond mont more nard ney ran rick ridge rose sby sen shaw side ster stock ston thorpe "
    "ton tray vale ven vin wall ward wick win wold worth wyn yard"
)
# Two parts make five letters at best, so short words come from sounds, with ends that English hardly has.
_ONSETS = words_of("b bl br d dr f fl fr g gl gr h j k kl kr l m n p pl pr r s sk sl st t tr v w z")
_CODAS = words_of("lv rv rz lsk lm ln rb rg rl zk nz lb lz mb vv dd")
_SHORT, _LONG = 5, 8
_COINED_SHARE, _GIVEN_SHARE, _HAN_GIVEN_SHARE, _HAN_SINGLE_SHARE = 8, 2, 8, 4
_RAREST = 4
_RARE_HAN_PERCENT = 0.05
_PLACE_CHARACTERS = (
    "安柏碧滨澄川翠岱丹枫峰阜岗皋谷冠桂海涵和荷衡虹湖桦淮槐环璜晖惠霁佳嘉涧江锦荆景靖九菊筠骏兰岚澜乐丽莲临灵陵岭流龙泷鹿"
    "洛茂梅渼苗闽明牧宁盘沛平萍蒲栖琦启千清琼泉荣瑞润沙山杉韶石双水松嵩潭棠桃田桐万望渭温梧西溪霞仙湘祥谢秀溆轩雪浔雅"
    "岩盐燕阳瑶宜益银英莹瀛永榆玉渊园源远云泽樟昭枝芝洲竹卓紫遵"
)


def plain(word: str) -> str:
    """A Latin word without case and accents: what two spellings of a name share."""
    parts = unicodedata.normalize("NFKD", word).casefold()
    return "".join(symbol for symbol in parts if symbol.isalpha() and not unicodedata.combining(symbol))


class Vocabulary:
    """The words that one key admits. Made once a process: about a tenth of a second on first use."""

    def __init__(self, keyed: Keyed) -> None:
        """Nothing is computed before it is asked for."""
        self._keyed = keyed

    def _admits(self, word: str, share: int, purpose: str) -> bool:
        return self._keyed.number("admit", purpose, word) % share == 0

    @cached_property
    def coined(self) -> Mapping[str, tuple[str, ...]]:
        """Coined words a length class (``short``, ``medium``, ``long``), in lower case."""
        borne = _real_surnames()
        classes: dict[str, list[str]] = {"short": [], "medium": [], "long": []}
        for parts in (*product(_ONSETS, "aeiou", _CODAS), *product(_STEMS, _MIDDLES, _ENDINGS)):
            word = "".join(parts).lower()
            if word not in borne and self._admits(word, _COINED_SHARE, "coined"):
                classes[length_class(word)].append(word)
        return {name: tuple(dict.fromkeys(words)) for name, words in classes.items()}

    @cached_property
    def coined_words(self) -> frozenset[str]:
        """All of them."""
        return frozenset(word for words in self.coined.values() for word in words)

    @cached_property
    def given(self) -> Mapping[Gender, tuple[str, ...]]:
        """Given names in lower case, by the sex that they mark."""
        from faker.providers.person.en_US import Provider

        female, male = Provider.first_names_female, Provider.first_names_male
        common = _real_surnames() | _british_given_names()
        rare: dict[Gender, list[str]] = {
            "female": [plain(name) for name in _rarest(female) if name not in male],
            "male": [plain(name) for name in _rarest(male) if name not in female],
        }
        admitted: dict[Gender, tuple[str, ...]] = {}
        for gender, names in rare.items():
            chosen = [name for name in names if name not in common and self._admits(name, _GIVEN_SHARE, "given")]
            admitted[gender] = tuple(chosen or names[:1])
        return admitted

    @cached_property
    def given_names(self) -> frozenset[str]:
        """All of them."""
        return frozenset(name for names in self.given.values() for name in names)

    @cached_property
    def han_surnames(self) -> tuple[str, ...]:
        """Rare Chinese surnames of one character."""
        from faker.providers.person.zh_CN import Provider

        rare = [name for name, percent in Provider.last_names.items() if percent < _RARE_HAN_PERCENT and len(name) == 1]
        return tuple(name for name in rare if self._admits(name, 2, "han surname")) or tuple(rare)

    @cached_property
    def han_given(self) -> Mapping[tuple[Gender, int], tuple[str, ...]]:
        """Chinese given names by the sex that they mark and their length, 1 or 2 characters, simplified."""
        from faker.providers.person.zh_CN import Provider

        marked, borne = gendered_characters(), frozenset(Provider.first_names)
        sets: dict[Gender, list[str]] = {
            "female": sorted(marked["female"]),
            "male": sorted(marked["male"]),
            "unmarked": sorted(marked["female"] | marked["male"]),
        }
        names: dict[tuple[Gender, int], tuple[str, ...]] = {}
        for gender, characters in sets.items():
            for length in (1, 2):
                every = ["".join(pair) for pair in product(characters, repeat=length)]
                every = [name for name in every if length == 1 or name not in borne]
                share = _HAN_GIVEN_SHARE if length == 2 else _HAN_SINGLE_SHARE
                names[gender, length] = tuple(name for name in every if self._admits(name, share, "han given"))
        return names

    @cached_property
    def han_given_names(self) -> frozenset[str]:
        """All of them."""
        return frozenset(name for names in self.han_given.values() for name in names)

    def coin(self, word: str) -> str:
        """The coined word for a Latin word: of its length class, in lower case."""
        identity = plain(word)
        return self._keyed.choose(self.coined[length_class(identity)], "coin", identity)

    def coin_han(self, word: str) -> str:
        """As many place-name characters; for two and more the last is a seal."""
        body = max(1, len(word) - 1)
        drawn = self._keyed.symbols([_PLACE_CHARACTERS] * body, "han word", word)
        return drawn + self._seal_han(drawn) if len(word) > 1 else drawn

    def is_coined_han(self, word: str) -> bool:
        """Whether ``coin_han`` may have made it; a single character never counts."""
        if len(word) < 2 or any(character not in _PLACE_CHARACTERS for character in word):
            return False
        return word[-1] == self._seal_han(word[:-1])

    def _seal_han(self, body: str) -> str:
        return self._keyed.choose(_PLACE_CHARACTERS, "han seal", body)


def length_class(word: str) -> str:
    """``short`` up to 5 letters, ``medium`` up to 8, ``long`` above."""
    return "short" if len(word) <= _SHORT else "medium" if len(word) <= _LONG else "long"


def _real_surnames() -> frozenset[str]:
    """The surnames of Faker's lists for the United States and the United Kingdom."""
    from faker.providers.person.en_GB import Provider as British
    from faker.providers.person.en_US import Provider as American

    return frozenset(plain(name) for names in (American.last_names, British.last_names) for name in names)


def _british_given_names() -> frozenset[str]:
    """What is rare in one country may be common in another."""
    from faker.providers.person.en_GB import Provider

    return frozenset(map(plain, Provider.first_names))


def _rarest(names: Mapping[str, float]) -> list[str]:
    ranked = sorted(names, key=lambda name: (names[name], name))
    return sorted(ranked[: len(ranked) // _RAREST])


def gendered_characters() -> dict[str, frozenset[str]]:
    """Characters of Chinese given names that mark one sex in Faker's list, and not the other."""
    from faker.providers.person.zh_CN import Provider

    female, male = _characters(Provider.first_names_female), _characters(Provider.first_names_male)
    return {"female": frozenset(female - male), "male": frozenset(male - female)}


def _characters(names: Iterable[str]) -> set[str]:
    return {character for name in names for character in name}
