"""Made-up documents of about 900 characters with values planted at known offsets.

The values are valid (check digits, issued ranges), so that no recogniser loses one for being malformed, and belong to
nobody: example domains (RFC 2606), documentation addresses (RFC 5737), fictitious telephone numbers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.scrubbing.checksums import passes_luhn

STRUCTURED_LABELS = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "US_SSN", "URL")

_PROSE = (
    "The committee met twice in the spring and put the question off until the harvest was in.",
    "Most of the wood came down the river in rafts that took a fortnight to reach the mill.",
    "In 1987 the bridge was closed for repairs, and the ferry ran every 20 minutes instead.",
    "She had kept the letters in a drawer of the kitchen table, between the string and the matches.",
    "About 3,400 people live in the valley, two in three of them above the old tree line.",
    "The parcel arrived late, the box was open on one side, and the invoice listed another model.",
    "Nobody could say afterwards who had left the gate open, or when the horses had gone.",
    "Their second album sold 250,000 copies in its first year and was reissued in 2004 with four songs more.",
    "We would like to know whether the delivery can be moved to the week after the holidays.",
    "A glass of water, a slice of bread and 12 olives made up the whole of his supper.",
)
_FRAMES = {
    "EMAIL_ADDRESS": ("Please write to {} before Friday.", "The copy went to {} as well.", "His e-mail is {}."),
    "PHONE_NUMBER": ("Call me at {} in the evening.", "My phone number is {}.", "The office can be reached on {}."),
    "CREDIT_CARD": ("The card {} was charged twice.", "I paid with card number {} last week."),
    "IBAN_CODE": ("Send the refund to IBAN {} please.", "The transfer to {} has not arrived."),
    "IP_ADDRESS": ("The login came from {} at night.", "The server at {} did not answer."),
    "US_SSN": ("My SSN is {}.", "The form asks for the social security number {} again."),
    "URL": ("The photographs are at {} for now.", "See {} for the terms."),
}


@dataclass(frozen=True, slots=True)
class BenchDocument:
    """A text and where its values are: (start, end, label), sorted."""

    text: str
    values: tuple[tuple[int, int, str], ...]


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("0123456789", k=count))


def _mail(rng: random.Random) -> str:
    name = rng.choice(("ana", "li.wei", "tom_b", "sales+eu", "jo-ann"))
    return f"{name}{rng.randrange(1000)}@{rng.choice(('example.com', 'mail.example.org', 'example.net'))}"


def _phone(rng: random.Random) -> str:
    area, line = rng.choice(("202", "303", "415", "512")), f"01{_digits(rng, 2)}"
    return rng.choice(("({}) 555-{}", "{}-555-{}", "+1 {}-555-{}", "{}.555.{}")).format(area, line)


def _card(rng: random.Random) -> str:
    body = "4" + _digits(rng, 14)
    number = next(body + check for check in "0123456789" if passes_luhn(body + check))
    separator = rng.choice(("", " ", "-"))
    return separator.join(number[i : i + 4] for i in range(0, 16, 4))


def _iban(rng: random.Random) -> str:
    account = _digits(rng, 18)
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


def _ip(rng: random.Random) -> str:
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randrange(1, 255)}"


def _ssn(rng: random.Random) -> str:
    return f"{rng.randrange(100, 660)}-{rng.randrange(10, 100)}-{rng.randrange(1000, 10000)}"


def _url(rng: random.Random) -> str:
    return (
        f"https://{rng.choice(('www.', 'shop.', ''))}example.{rng.choice(('com', 'org', 'net'))}/{rng.randrange(10**6)}"
    )


_VALUES: dict[str, Callable[[random.Random], str]] = {
    "EMAIL_ADDRESS": _mail,
    "PHONE_NUMBER": _phone,
    "CREDIT_CARD": _card,
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip,
    "US_SSN": _ssn,
    "URL": _url,
}


def make_documents(
    count: int,
    *,
    seed: int,
    characters: int = 900,
    values_a_document: int = 2,
    labels: Sequence[str] = STRUCTURED_LABELS,
) -> list[BenchDocument]:
    """``count`` documents of at least ``characters`` characters with that many values each, by turns of the labels."""
    rng = random.Random(seed)
    return [
        _document(
            rng, characters, [labels[(index * values_a_document + n) % len(labels)] for n in range(values_a_document)]
        )
        for index in range(count)
    ]


def _document(rng: random.Random, characters: int, labels: list[str]) -> BenchDocument:
    sentences: list[tuple[str, str | None, str]] = []
    length = 0
    for label in labels:
        value = _VALUES[label](rng)
        sentences.append((rng.choice(_FRAMES[label]), label, value))
        length += len(sentences[-1][0]) + len(value) - 1
    while length <= characters:  # the space behind the last sentence goes
        sentences.append((rng.choice(_PROSE), None, ""))
        length += len(sentences[-1][0]) + 1
    rng.shuffle(sentences)
    text, values = "", []
    for frame, kind, value in sentences:
        if kind is not None:
            start = len(text) + frame.index("{}")
            values.append((start, start + len(value), kind))
        text += (frame.format(value) if kind is not None else frame) + " "
    return BenchDocument(text.rstrip(), tuple(values))
