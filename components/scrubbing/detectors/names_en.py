"""Names of persons in Latin script, by what stands around them. Precision before recall.

One scan finds runs of capitalised words, which are rare; what decides is looked up in the words before the run (a
title, an introduction, a salutation, a form field, a relation), after it (a vocative, a reported act) or in it (a
frequent given name followed by a surname).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.scrubbing.detectors.words import GIVEN_NAMES_EN, NOT_NAMES_EN, PLACE_WORDS_EN
from components.scrubbing.spans import Span

DETECTOR = "names"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UPPER = "A-Z" + "".join(chr(code) for code in range(0xC0, 0x180) if chr(code).isupper())
_LETTER = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017f"
_WORD = rf"[{_UPPER}](?:[{_LETTER}]|['’\-](?=[{_UPPER}]))*"
_PARTICLE = r"(?:(?:de|da|do|dos|di|del|der|den|van|von|bin|al|el|la|le) ){1,2}"
_RUN = re.compile(rf"{_WORD}\.?(?: (?:{_PARTICLE})?{_WORD}\.?){{0,5}}")
_NAME_WORD = re.compile(rf"(?:{_PARTICLE})?{_WORD}\.?")
_TITLES = _words(
    """
    mr mrs ms mx dr prof professor doctor miss sir dame rev reverend judge nurse officer sergeant sgt captain capt
    lieutenant lt aunt uncle
    """
)
_GREETINGS = frozenset({"dear", "hi", "hello", "hey"})
_POSSESSIVES = frozenset({"my", "his", "her", "our", "their", "your"})
_RELATIONS = _words(
    """
    wife husband son daughter brother sister mother father mom mum dad friend colleague boss partner kid manager
    neighbour neighbor cousin roommate girlfriend boyfriend fiancé fiancée fiance fiancee teacher landlord assistant
    supervisor nephew niece
    """
)
_INTRODUCED = (
    "name is ", "name's ", "name’s ", "name: ", "partner's name ", "last name? ", "first name? ", " named ",
    " is called ", " was called ", " named him ", " named her ", "people call me ", "call me ", "signed by ",
    "signed, ", "signed: ", "signed ", "written by ",
)  # fmt: skip
_SIGN_OFF = (
    "regards", "sincerely", "best", "best wishes", "cheers", "thanks", "thank you", "yours truly", "yours faithfully",
    "respectfully", "love",
)  # fmt: skip
_FIELD = re.compile(
    r"(?:^|[\n,;.|(>\"“])[ ]{0,3}(?:(?:full |customer |patient |contact |account |first |last )?name|"
    r"contact(?: person)?|attn|attention|from|to|cc|customer|patient|client|employee|applicant|tenant|sender|"
    r"recipient|reported by|assigned to|caller|account (?:holder|owner)|owner|billing address|manager|witness|author)"
    r"[ ]?[:：][ ]?$"
)
_SPEECH = frozenset({"says", "said", "asked", "replied", "wrote", "added", "explained"})
_ACT_BEHIND = (
    " had given ", " shouted at ", " points out", " told me", " lives at ", " lives on ", " lives in ",
    " will be talking",
)  # fmt: skip
_AGE_BEHIND = re.compile(r",? (?:is|was) an? \d{1,3}[ -]year[ -]old|, (?:aged )?\d{1,3}, ")
_SELF_BEHIND = re.compile(r" (?:from|calling|speaking|writing|here|again)\b|,? and I\b|, (?:your|the|a) ")
_VOCATIVE_BEHIND = re.compile(r", (?:can|could|please|would|will|thank|i|you|we)\b", re.IGNORECASE)
_GREETING_BEHIND = re.compile(r"\s{0,2}(?:[,:!\n.;—–-]|$)")
_LOWER = re.compile(rf"(?i)(?:my name is|people call me) ([{_LETTER}]{{3,20}}(?: [{_LETTER}]{{3,20}})?)(?=[\s.,;!?]|$)")
_CAPITAL = re.compile(rf"[{_UPPER}]")
_HOLE = "\ufffc"
# No word decides from further away, to either side.
_WIDTH = 48
# What may stand right before a name that the words before it announce, and what may break the line before it.
_LEADS = frozenset(":： \n—–-.")
_STOPS = frozenset(".!")
_BREAKS = frozenset(" \t\n\r—–-")


def find_english_names(text: str, *, near_holes: bool = False) -> Iterator[Span]:
    """Spans of PERSON; titles and field names are not part of them.

    ``near_holes``: of the runs of capitalised words only those that see a U+FFFC.
    """
    if _CAPITAL.search(text):
        for run in _RUN.finditer(text):
            if near_holes and text.find(_HOLE, max(0, run.start() - _WIDTH), run.end() + _WIDTH) < 0:
                continue
            yield from _judge_run(text, run)
    if "ame is" in text or "call me" in text:
        yield from _find_lower_case(text)


def _judge_run(text: str, run: re.Match[str]) -> Iterator[Span]:
    """At most one name of a run of capitalised words, the first that a reason is found for."""
    # A run is mostly the one word that opens a sentence; this is called for each of them.
    words = list(_NAME_WORD.finditer(text, run.start(), run.end())) if " " in run.group() else [run]
    score = _score_before(text, run.start()) or _score_behind(text, words)
    if score:
        yield from _cut(words, score)
        return
    if len(words) > 1:
        yield from _judge_words(text, run, words)


def _judge_words(text: str, run: re.Match[str], words: list[re.Match[str]]) -> Iterator[Span]:
    """A name in a run of two words and more, by the words themselves."""
    if text[max(0, run.start() - 6) : run.start()].endswith((" I am ", " I'm ", " I’m ")) or _opens(text, run):
        yield from _cut(words, 0.65, at_least=2)
        return
    for index, word in enumerate(words[:-1]):
        plain = word.group().rstrip(".").lower()
        if plain in _TITLES:
            yield from _cut(words[index + 1 :], 0.9)
            return
        if plain in _GREETINGS and _GREETING_BEHIND.match(text, run.end()):
            yield from _cut(words[index + 1 :], 0.75)
            return
        if (
            plain in GIVEN_NAMES_EN
            and not word.group().isupper()
            and word.group()[-1] != "."
            and not _is_place(text, words[index:])
        ):
            yield from _cut(words[index:], 0.7, at_least=2)
            return


def _score_before(text: str, start: int) -> float:
    """How sure the words before ``start`` make a name, 0 for not at all."""
    if not start or (last := text[start - 1]) not in _LEADS:
        return 0.0
    left = text[max(0, start - _WIDTH) : start].lower()
    before = left[-2:-1]
    if last == " " and before in _STOPS:
        # A sentence opens here; behind its stop only a title's dot counts.
        word = left.rsplit(maxsplit=1)[-1]
        return 0.9 if before == "." and len(word) > 1 and word.rstrip(".") in _TITLES else 0.0
    if last in ":： " and left.rstrip(" ")[-1:] in {":", "："} and _FIELD.search(left):
        return 0.75
    if (last in "\n—–-" or (last == " " and before in _BREAKS)) and _is_sign_off(left):
        return 0.75
    if last == "." and left[:-1].rpartition(" ")[2] in _TITLES:
        return 0.9
    return _score_last_words(left) if last == " " else 0.0


def _is_sign_off(left: str) -> bool:
    """Best regards, and a line break or a dash."""
    stem = left.rstrip(" \t\n\r—–-")
    return any(sign in left[len(stem) :] for sign in "\n—–") and stem.rstrip(",.!").endswith(_SIGN_OFF)


def _score_last_words(left: str) -> float:
    if left.endswith(_INTRODUCED):
        return 0.85
    words = left.rsplit(maxsplit=2)[-2:]
    word = words[-1] if words else ""
    before = words[-2] if len(words) > 1 else ""
    if word.rstrip(".") in _TITLES and len(word) > 1:
        return 0.9
    if word.rstrip(",") in _RELATIONS and before.strip("(\"'“") in _POSSESSIVES:
        return 0.75
    if word in _GREETINGS and not before:
        return 0.6
    return 0.6 if word in _SPEECH and before[-1:] in {'"', "”", ","} else 0.0


def _score_behind(text: str, words: list[re.Match[str]]) -> float:
    """What follows the run, or a run at the start of a line that is addressed."""
    start, end = words[0].start(), words[-1].end()
    next_ = text[end : end + 1]
    if next_ in {" ", ","} and (text.startswith(_ACT_BEHIND, end) or _AGE_BEHIND.match(text, end, end + 40)):
        return 0.6
    if text[max(0, start - 8) : start].lower().endswith("this is ") and _SELF_BEHIND.match(text, end, end + 40):
        return 0.75
    if (
        next_ == ","
        and len(words) == 1
        and (start == 0 or text[start - 1] == "\n")
        and _VOCATIVE_BEHIND.match(text, end, end + 40)
    ):
        return 0.6
    return 0.0


def _opens(text: str, word: re.Match[str]) -> bool:
    """Whether the text opens with ``I am`` and the word."""
    return word.start() < 6 and text[: word.start()] in {"I am ", "I'm ", "I’m "}


def _is_place(text: str, words: list[re.Match[str]]) -> bool:
    """Gordon Terrace, St. John Street, Russell Investments: a street, a place or a company."""
    if any(word.group().rstrip(".").lower() in PLACE_WORDS_EN for word in words[1:4]):
        return True
    before = text[max(0, words[0].start() - 6) : words[0].start()]
    return before[-1:] == " " and before.rstrip()[-1:].isdigit()


def _cut(words: list[re.Match[str]], score: float, *, at_least: int = 1) -> Iterator[Span]:
    """The words up to the first that is no part of a name, four at most."""
    kept = 0
    # In a text without small letters a run does not end with the name.
    at_most = 2 if all(word.group().isupper() for word in words[:3]) else 4
    for word in words[:at_most]:
        plain = word.group().rstrip(".").lower()
        if len(plain) > 1 and (plain in NOT_NAMES_EN or (kept and plain in PLACE_WORDS_EN)):
            break
        kept += 1
        if word.group()[-1] == "." and len(plain) > 2:
            break
    while kept and len(words[kept - 1].group()) == 1:
        kept -= 1
    if kept < at_least:
        return
    value = words[kept - 1].group()
    end = words[kept - 1].end() - (value[-1] == "." and len(value) > 2)
    if value.endswith(("'s", "’s")):
        end -= 2
    yield Span(words[0].start(), end, "PERSON", score, DETECTOR)


def _find_lower_case(text: str) -> Iterator[Span]:
    """Names that their owners type without a capital, only after the plainest introduction."""
    for match in _LOWER.finditer(text):
        words = match[1].lower().split()
        if words[0] in NOT_NAMES_EN or words[0].endswith(("ed", "ing", "ly")):
            continue
        whole = words[-1] not in NOT_NAMES_EN
        yield Span(match.start(1), match.end(1) if whole else match.start(1) + len(words[0]), "PERSON", 0.6, DETECTOR)
