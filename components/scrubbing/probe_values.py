"""Values to plant: personal data of every kind and usual format, valid by its checksum, belonging to nobody we know.

Names and places are drawn from Faker's lists, numbers from the ranges that are issued. A form is the value with the
words before it that people write, or bare.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from components.scrubbing.checksums import passes_cn_id, passes_luhn

Draw = Callable[[random.Random], str]

_LOCALES = {"en": "en_US", "zh": "zh_CN"}
_HOSTS = ("mail", "corp", "northgate", "lumen", "harbor", "qingshan", "hexin", "tianhe")
_TOPS = ("com", "net", "org", "io", "cn", "co.uk")
# Words before a value, by language and label; an empty string is the bare value.
LEAD_INS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "PERSON": ("", "my name is ", "Dear ", "Mr "),
        "EMAIL_ADDRESS": ("", "e-mail: ", "write to "),
        "PHONE_NUMBER": ("", "phone: ", "call me at "),
        "CREDIT_CARD": ("", "card number ", "Visa "),
        "US_SSN": ("", "SSN: ", "social security number "),
        "IBAN_CODE": ("", "IBAN "),
        "IP_ADDRESS": ("", "from IP "),
        "URL": ("", "see "),
        "CN_ID_CARD": ("", "ID card number "),
        "MAC_ADDRESS": ("", "MAC "),
        "CN_BANK_CARD": ("", "bank card "),
        "CN_LICENSE_PLATE": ("", "licence plate "),
        "CN_SOCIAL_CREDIT_CODE": ("", "USCC "),
        "CN_PASSPORT": ("passport ", "passport number "),
        "US_PASSPORT": ("passport ", "US passport number "),
        "US_ITIN": ("", "ITIN "),
        "US_BANK_NUMBER": ("bank account ", "account number "),
        "US_DRIVER_LICENSE": ("driver license ", "driver's license number "),
        "UK_NHS": ("", "NHS number "),
        "UK_NINO": ("", "NI number "),
        "CRYPTO": ("", "wallet "),
        "SECRET": ("", "API key: "),
        "LOCATION": ("", "lives in "),
        "ORGANIZATION": ("", "works for "),
        "STREET_ADDRESS": ("", "lives at "),
        "DATE_TIME": ("", "born on "),
        "USERNAME": ("", "username: "),
    },
    "zh": {
        "PERSON": ("", "我叫", "姓名：", "联系人："),
        "EMAIL_ADDRESS": ("", "邮箱：", "邮箱是"),
        "PHONE_NUMBER": ("", "电话：", "手机号"),
        "CREDIT_CARD": ("", "银行卡号", "卡号："),
        "US_SSN": ("", "SSN："),
        "IBAN_CODE": ("", "IBAN："),
        "IP_ADDRESS": ("", "IP地址"),
        "URL": ("", "网址："),
        "CN_ID_CARD": ("", "身份证号", "身份证号码："),
        "MAC_ADDRESS": ("", "MAC地址"),
        "CN_BANK_CARD": ("", "银行卡号", "卡号："),
        "CN_LICENSE_PLATE": ("", "车牌", "车牌号："),
        "CN_SOCIAL_CREDIT_CODE": ("", "统一社会信用代码"),
        "CN_PASSPORT": ("护照", "护照号码："),
        "US_PASSPORT": ("美国护照", "护照号码："),
        "US_ITIN": ("", "ITIN："),
        "US_BANK_NUMBER": ("美国银行账户 account number ",),
        "US_DRIVER_LICENSE": ("驾照", "驾照号码："),
        "UK_NHS": ("", "NHS："),
        "UK_NINO": ("", "NINO："),
        "CRYPTO": ("", "钱包地址"),
        "SECRET": ("", "密钥："),
        "LOCATION": ("", "家住"),
        "ORGANIZATION": ("", "就职于"),
        "STREET_ADDRESS": ("", "地址："),
        "DATE_TIME": ("", "出生日期："),
        "USERNAME": ("", "用户名："),
    },
}


def probe_value(label: str, lang: str, rng: random.Random) -> str | None:
    """One value of a label as it is written in a language; None for a label that has no probes."""
    draw = _DRAWS.get((label, lang)) or _DRAWS.get((label, ""))
    return None if draw is None else draw(rng)


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


@cache
def _faker(lang: str) -> Any:
    from faker import Faker

    return Faker(_LOCALES[lang])


def _fake(lang: str, method: str) -> Draw:
    def draw(rng: random.Random) -> str:
        fake = _faker(lang)
        fake.seed_instance(rng.getrandbits(64))
        return str(getattr(fake, method)()).replace("\n", ", ")

    return draw


def _plain_name(rng: random.Random) -> str:
    fake = _faker("en")
    fake.seed_instance(rng.getrandbits(64))
    return f"{fake.first_name()} {fake.last_name()}"


def _email(rng: random.Random) -> str:
    words = _plain_name(rng).split()
    local = rng.choice([".".join(words).lower(), words[0].lower() + _digits(rng, 2), f"{words[0][0]}_{words[1]}"])
    return f"{local}@{rng.choice(_HOSTS)}{_digits(rng, 2)}.{rng.choice(_TOPS)}"


def _us_phone(rng: random.Random) -> str:
    area, exchange = (f"{rng.randrange(2, 10)}{rng.randrange(9)}{rng.randrange(2, 10)}" for _ in range(2))
    line = _digits(rng, 4)
    forms = ("({}) {}-{}", "{}-{}-{}", "+1 {} {} {}", "{}.{}.{}", "+1-{}-{}-{}")
    return rng.choice(forms).format(area, exchange, line)


def _cn_phone(rng: random.Random) -> str:
    head, middle, tail = f"1{rng.choice('356789')}{rng.randrange(10)}", _digits(rng, 4), _digits(rng, 4)
    fixed = f"0{rng.choice(['10', '21', '755', '571'])}-{rng.randrange(2, 9)}{_digits(rng, 7)}"
    return rng.choice([f"{head}{middle}{tail}", f"{head} {middle} {tail}", f"+86 {head}{middle}{tail}", fixed])


def _card(rng: random.Random) -> str:
    body = rng.choice(["4", "51", "55", "6222"])
    body += _digits(rng, 15 - len(body))
    number = next(body + digit for digit in "0123456789" if passes_luhn(body + digit))
    groups = [number[at : at + 4] for at in range(0, 16, 4)]
    return rng.choice([number, " ".join(groups), "-".join(groups)])


def _ssn(rng: random.Random) -> str:
    area = rng.choice([area for area in range(1, 900) if area != 666])
    return f"{area:03d}-{rng.randrange(1, 100):02d}-{rng.randrange(1, 10_000):04d}"


def _iban(rng: random.Random) -> str:
    country, length = rng.choice([("DE", 22), ("ES", 24), ("AT", 20), ("DK", 18)])
    body = _digits(rng, length - 4)
    check = 98 - int(body + "".join(str(int(letter, 36)) for letter in country) + "00") % 97
    compact = f"{country}{check:02d}{body}"
    return rng.choice([compact, " ".join(compact[at : at + 4] for at in range(0, length, 4))])


def _ip(rng: random.Random) -> str:
    four = ".".join(str(rng.randrange(1, 255)) for _ in range(4))
    six = [f"{rng.randrange(1, 0x10000):x}" for _ in range(8)]
    return rng.choice([four, four, ":".join(six), f"2a02:{six[0]}:{six[1]}::{six[2]}"])


def _url(rng: random.Random) -> str:
    host = f"{rng.choice(_HOSTS)}{_digits(rng, 2)}.{rng.choice(('com', 'org', 'net', 'cn'))}"
    path = f"/u/{_digits(rng, 5)}"
    return rng.choice([f"https://{host}{path}", f"http://www.{host}", f"www.{host}{path}"])


def _cn_id(rng: random.Random) -> str:
    region = rng.choice(["110105", "310104", "440305", "330106", "510107"])
    birth = f"{rng.randrange(1950, 2008)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    body = f"{region}{birth}{_digits(rng, 3)}"
    number = next(body + check for check in "0123456789X" if passes_cn_id(body + check))
    return rng.choice([number, number.lower(), f"{number[:6]} {number[6:14]} {number[14:]}"])


def _mac(rng: random.Random) -> str:
    pairs = [f"{rng.randrange(256):02x}" for _ in range(6)]
    return rng.choice([":".join(pairs), "-".join(pairs).upper()])


def _bank_card(rng: random.Random) -> str:
    body = rng.choice(["622202", "622848", "621700", "622588"]) + _digits(rng, 12)
    number = next(body + digit for digit in "0123456789" if passes_luhn(body + digit))
    return rng.choice([number, " ".join(number[at : at + 4] for at in range(0, 19, 4))])


def _plate(rng: random.Random) -> str:
    serial = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(4)) + _digits(rng, 1)
    head = rng.choice("京沪粤苏浙鲁川鄂湘闽") + rng.choice("ABCDEFGH")
    return rng.choice([f"{head}{serial}", f"{head}·{serial}", f"{head}D{_digits(rng, 5)}"])


def _social_credit(rng: random.Random) -> str:
    symbols = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = f"91{rng.choice(['110105', '310104', '440305'])}MA{''.join(rng.choice(symbols) for _ in range(7))}"
    total = sum(symbols.index(symbol) * pow(3, at, 31) for at, symbol in enumerate(body))
    return body + symbols[-total % 31]


def _nhs(rng: random.Random) -> str:
    while True:  # one in eleven has no check digit
        body = rng.choice("46") + _digits(rng, 8)
        check = -sum((10 - at) * int(digit) for at, digit in enumerate(body)) % 11
        if check < 10:
            number = f"{body}{check}"
            return rng.choice([number, f"{number[:3]} {number[3:6]} {number[6:]}"])


def _nino(rng: random.Random) -> str:
    head, pairs = rng.choice(["AB", "CE", "JG", "NA", "SK"]), [_digits(rng, 2) for _ in range(3)]
    return rng.choice([f"{head}{''.join(pairs)}C", f"{head} {' '.join(pairs)} C"])


def _itin(rng: random.Random) -> str:
    return f"9{_digits(rng, 2)}-{rng.choice([*range(70, 89), 90, 91, 92, *range(94, 100)])}-{_digits(rng, 4)}"


def _wallet(rng: random.Random) -> str:
    return "0x" + "".join(rng.choice("0123456789abcdef") for _ in range(40))


def _secret(rng: random.Random) -> str:
    symbols = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    tail = "".join(rng.choice(symbols) for _ in range(36))
    return rng.choice([f"ghp_{tail}", f"AKIA{tail[:16].upper()}", f"sk-{tail}"])


def _lettered(letters: str, digits: int) -> Draw:
    return lambda rng: rng.choice(letters) + _digits(rng, digits)


def _date(rng: random.Random) -> str:
    year, month, day = rng.randrange(1950, 2010), rng.randrange(1, 13), rng.randrange(1, 29)
    return rng.choice([f"{year}-{month:02d}-{day:02d}", f"{day}/{month}/{year}"])


def _date_zh(rng: random.Random) -> str:
    return f"{rng.randrange(1950, 2010)}年{rng.randrange(1, 13)}月{rng.randrange(1, 29)}日"


_DRAWS: dict[tuple[str, str], Draw] = {
    ("PERSON", "en"): _plain_name,
    ("PERSON", "zh"): _fake("zh", "name"),
    ("EMAIL_ADDRESS", ""): _email,
    ("PHONE_NUMBER", "en"): _us_phone,
    ("PHONE_NUMBER", "zh"): _cn_phone,
    ("CREDIT_CARD", ""): _card,
    ("US_SSN", ""): _ssn,
    ("IBAN_CODE", ""): _iban,
    ("IP_ADDRESS", ""): _ip,
    ("URL", ""): _url,
    ("CN_ID_CARD", ""): _cn_id,
    ("MAC_ADDRESS", ""): _mac,
    ("LOCATION", "en"): _fake("en", "city"),
    ("LOCATION", "zh"): _fake("zh", "city"),
    ("ORGANIZATION", "en"): _fake("en", "company"),
    ("ORGANIZATION", "zh"): _fake("zh", "company"),
    ("STREET_ADDRESS", "en"): _fake("en", "street_address"),
    ("STREET_ADDRESS", "zh"): _fake("zh", "street_address"),
    ("DATE_TIME", "en"): _date,
    ("DATE_TIME", "zh"): _date_zh,
    ("CN_BANK_CARD", ""): _bank_card,
    ("CN_LICENSE_PLATE", ""): _plate,
    ("CN_SOCIAL_CREDIT_CODE", ""): _social_credit,
    ("CN_PASSPORT", ""): _lettered("EG", 8),
    ("US_PASSPORT", ""): _lettered("ABC", 8),
    ("US_ITIN", ""): _itin,
    ("US_BANK_NUMBER", ""): lambda rng: _digits(rng, rng.randrange(9, 13)),
    ("US_DRIVER_LICENSE", ""): _lettered("ABCDFKMSW", 7),
    ("UK_NHS", ""): _nhs,
    ("UK_NINO", ""): _nino,
    ("CRYPTO", ""): _wallet,
    ("SECRET", ""): _secret,
    ("USERNAME", ""): _fake("en", "user_name"),
}
