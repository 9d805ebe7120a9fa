"""Names of persons from the words around them, English and Chinese. Precision before recall.

English: a title (Dr Ana Ruiz), an introduction (my name is …), a salutation or signature, a form field, a relation
(her brother Tom), or a frequent given name with a capitalised surname. Chinese: a surname from the census list with
one or two more characters and a title behind (刘伟先生), a field or introduction before (姓名：马超, 我叫李芳), or a
telephone number behind (张三13812345678).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from components.scrubbing.detectors.surnames import (
    COMPOUND_SURNAMES,
    FIELDS_ZH,
    GIVEN_NAMES_EN,
    NOT_A_SURNAME_AFTER,
    NOT_GIVEN,
    NOT_NAMES,
    NOT_NAMES_EN,
    SURNAMES,
    TITLES_ZH,
)
from components.scrubbing.spans import Span

_NAME = "names"

_UPPER = "A-Z" + "".join(chr(code) for code in range(0xC0, 0x180) if chr(code).isupper())
_LETTER = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017f"
_WORD = rf"[{_UPPER}](?:[{_LETTER}]|['’\-](?=[{_UPPER}])){{1,24}}"
_PART = rf"(?:(?:(?:de|da|do|dos|di|del|der|den|van|von|bin|al|el|la|le) ){{0,2}}{_WORD}|[{_UPPER}]\.?(?= [{_UPPER}]))"
_FULL = rf"{_WORD}(?:[ ]{_PART}){{0,3}}"

_TITLE = re.compile(
    rf"(?<![{_LETTER}])(?i:mr|mrs|ms|mx|dr|prof|professor|doctor|miss|sir|dame|rev|reverend|judge|nurse|officer|"
    rf"sergeant|sgt|captain|capt|lieutenant|lt|aunt|uncle)(?:\.[ ]?|[ ])(?P<name>(?:[{_UPPER}]\.[ ]?){{0,2}}{_FULL})"
)
_INTRODUCED = re.compile(
    rf"(?<![{_LETTER}])(?i:(?:my|his|her|their|your|whose|the|full|last|first|partner['’]s|child['’]s) name(?: is|['’]s|:)|"
    rf"last name\?|(?:was |is |him |her |me |them |child |son |daughter )(?:named|called)|named him|named her|people call me|"
    rf"signed(?: by)?[,:]?|written by|yours,?|under|guardian|this is(?= [{_UPPER}][{_LETTER}]+ (?:from|calling|speaking|writing|again)))"
    rf"[ ](?P<name>{_FULL})"
)
_INTRODUCED_LOWER = re.compile(
    rf"(?i)(?<![{_LETTER}])(?:my name is|people call me)[ ](?P<name>[{_LETTER}]{{3,20}}(?: [{_LETTER}]{{3,20}})?)(?=[\s.,;!?]|$)"
)
_SALUTATION = re.compile(rf"(?:^|[\n.!?]\s{{0,3}})(?i:dear|hi|hello|hey)[ ](?P<name>{_FULL})(?=\s{{0,2}}[,:!\n.—-])")
_VOCATIVE = re.compile(rf"(?:^|\n)(?P<name>{_WORD})(?=, (?i:can|could|please|would|will|thank|i|you|we)\b)")
_SIGNATURE = re.compile(
    rf"(?i:regards|sincerely|best|cheers|thanks|thank you|yours truly|yours faithfully|respectfully|love)"
    rf"[,.!]?[ ]?(?:\n\s{{0,4}}|[—–-][ ]?)(?P<name>{_FULL})(?=\s*(?:$|\n|[,.]))"
)
_FIELD = re.compile(
    rf"(?:^|[\n,;.|(>][ ]{{0,3}})(?i:(?:full |customer |patient |contact |account |first |last )?name|contact(?: person)?|attn|attention|"
    rf"from|to|cc|customer|patient|client|employee|applicant|tenant|sender|recipient|reported by|assigned to|"
    rf"caller|account holder|billing address|manager|witness|author)[ ]?[:：][ ]?(?P<name>{_FULL})"
)
_RELATION = re.compile(
    rf"(?<![{_LETTER}])(?i:my|his|her|our|their|your)[ ](?i:wife|husband|son|daughter|brother|sister|mother|father|mom|mum|"
    rf"dad|friend|colleague|boss|partner|kid|manager|neighbour|neighbor|uncle|aunt|cousin|roommate|girlfriend|boyfriend|"
    rf"fianc[eé]e?|teacher|nurse|landlord|assistant|supervisor|nephew|niece)[ ,]{{1,2}}(?P<name>{_FULL})"
)
_SPOKEN = re.compile(
    rf"[\"”,] (?:says|said|asked|replied|wrote|added|explained) (?P<name>{_FULL})(?=[.,;])|"
    rf"(?P<given>{_FULL})(?=(?: had given| shouted at| points out| told me| lives (?:at|on|in)| is a \d{{1,3}}[ -]year[ -]old| will be talking))"
)
_TWO_CAPITALS = re.compile(rf"(?<![{_LETTER}.'’-])(?P<name>{_WORD}(?:[ ](?:[{_UPPER}]\.?(?= )|{_PART})){{1,2}})")
_NAME_WORDS = re.compile(rf"[{_LETTER}'’\-]+")
_ENGLISH_CUES = re.compile(rf"[{_UPPER}][{_LETTER}]|(?i:name is)")

_CJK = "\u4e00-\u9fff"
_HAN = re.compile(rf"[{_CJK}]")
_SURNAME = f"(?:{'|'.join(COMPOUND_SURNAMES)}|[{''.join(sorted(SURNAMES))}])"
_TITLE_ZH = re.compile(rf"(?:{TITLES_ZH})")
_FIELD_ZH = re.compile(rf"(?:{FIELDS_ZH})(?P<colon>[ ]?[:：是为][ ]?|[ ]|)(?P<name>{_SURNAME}[·]?[{_CJK}]{{1,3}})")
_BEFORE_PHONE = re.compile(
    rf"(?:^|[^{_CJK}])(?P<name>{_SURNAME}[{_CJK}]{{1,2}})(?:[，,、：: ]{{0,2}}(?:的)?(?:手机|手機|电话|電話|联系方式|邮箱|身份证)|[ ：:]?\+?1[3-9]\d{{9}})"
)
# What may stand right behind a name that no punctuation closes.
_FOLLOW = frozenset(
    "的，。、；：！？,.;:!?()（）《》“”\"' \n\t\ufffc因和与與在已于於是说說完电電手先女小反咨投来來打请請就向表提要今昨办辦开開到住从從没沒将將"
)


class NameDetector:
    """Person names by context rules; ``languages`` are those whose rules run."""

    name = _NAME
    labels = frozenset({"PERSON"})

    def __init__(self, languages: Collection[str]) -> None:
        """A text in another language is left alone, so that a caller sees what is not covered."""
        self._languages = frozenset(languages)

    def detect(self, text: str, lang: str) -> Iterator[Span]:  # noqa: ARG002 - scripts mix; the text decides
        """Spans of PERSON, titles and field names not included."""
        if "en" in self._languages and _ENGLISH_CUES.search(text):
            yield from find_english_names(text)
        if "zh" in self._languages and _HAN.search(text):
            yield from find_chinese_names(text)


_RULES_EN = (
    (_INTRODUCED, 0.85),
    (_FIELD, 0.75),
    (_RELATION, 0.75),
    (_SALUTATION, 0.75),
    (_VOCATIVE, 0.6),
    (_SIGNATURE, 0.75),
)


def find_english_names(text: str) -> Iterator[Span]:
    """Names in Latin script."""
    for match in _TITLE.finditer(text):
        yield from _cut(text, match.start("name"), match.end("name"), 0.9, strict=False)
    for pattern, score in _RULES_EN:
        for match in pattern.finditer(text):
            yield from _cut(text, match.start("name"), match.end("name"), score)
    for match in _SPOKEN.finditer(text):
        group = "name" if match["name"] else "given"
        yield from _cut(text, match.start(group), match.end(group), 0.6)
    for match in _INTRODUCED_LOWER.finditer(text):
        words = match["name"].lower().split()
        if words[0] not in NOT_NAMES_EN and not words[0].endswith(("ed", "ing", "ly")):
            end = match.end("name") if words[-1] not in NOT_NAMES_EN else match.start("name") + len(words[0])
            yield Span(match.start("name"), end, "PERSON", 0.6, _NAME)
    for match in _TWO_CAPITALS.finditer(text):
        if match["name"].split(" ", 1)[0].lower() in GIVEN_NAMES_EN:
            yield from _cut(text, match.start("name"), match.end("name"), 0.7)


def _cut(text: str, start: int, end: int, score: float, *, strict: bool = True) -> Iterator[Span]:
    """The name up to the first word that is none; nothing if that is the first, or (``strict``) a nationality."""
    kept = start
    for word in _NAME_WORDS.finditer(text, start, end):
        plain = word.group().lower()
        if (len(plain) > 1 and plain in NOT_NAMES_EN) or (plain == "i" and word.end() == end):
            break
        kept = word.end()
    if kept > start and not (strict and text[start:kept].isupper() and kept - start > 12):
        value = text[start:kept]
        if value.endswith(("'s", "’s")):
            kept -= 2
        yield Span(start, kept, "PERSON", score, _NAME)


def find_chinese_names(text: str) -> Iterator[Span]:
    """Names in Chinese characters, simplified or traditional."""
    for match in _TITLE_ZH.finditer(text):
        length = _name_length_before(text, match.start())
        if length:
            yield Span(match.start() - length, match.start(), "PERSON", 0.85 if length > 1 else 0.7, _NAME)
    for match in _FIELD_ZH.finditer(text):
        length = _name_length_from(text, match.start("name"), closed=bool(match["colon"].strip(" 是为")))
        if length:
            yield Span(match.start("name"), match.start("name") + length, "PERSON", 0.85, _NAME)
    for match in _BEFORE_PHONE.finditer(text):
        if _is_given(match["name"][1:]) and match["name"][:2] not in NOT_NAMES:
            yield Span(match.start("name"), match.end("name"), "PERSON", 0.8, _NAME)


def _is_given(characters: str) -> bool:
    return not any(character in NOT_GIVEN for character in characters)


def _starts_surname(text: str, start: int) -> bool:
    return text[start] in SURNAMES and text[max(0, start - 1) : start + 1] not in NOT_A_SURNAME_AFTER


def _name_length_before(text: str, end: int) -> int:
    """Characters of the name that ends before a title: 3 or 2 with a given name, 1 a surname alone, 0 none."""
    for length in (4, 3):
        if (
            end >= length
            and text[end - length : end - length + 2] in COMPOUND_SURNAMES
            and _is_given(text[end - length + 2 : end])
        ):
            return length
    if end >= 2 and text[end - 2 : end] in COMPOUND_SURNAMES:
        return 2
    for length in (3, 2):
        start = end - length
        if start < 0 or not _starts_surname(text, start) or text[start : start + 2] in NOT_NAMES:
            continue
        if all("\u4e00" <= character <= "\u9fff" for character in text[start:end]) and _is_given(text[start + 1 : end]):
            return length
    return 1 if end and _starts_surname(text, end - 1) else 0


def _name_length_from(text: str, start: int, *, closed: bool) -> int:
    """Characters of the name that starts here: the longest that a boundary closes. ``closed``: a colon stood before."""
    head = 2 if text[start : start + 2] in COMPOUND_SURNAMES else 1
    if head == 1 and (not _starts_surname(text, start) or text[start : start + 2] in NOT_NAMES):
        return 0
    for given in (2, 1):
        end = start + head + given
        if end > len(text) or not _HAN.fullmatch(text[end - 1]) or not _is_given(text[start + head : end]):
            continue
        behind = text[end : end + 1]
        if not behind or behind in _FOLLOW or not _HAN.fullmatch(behind) or _TITLE_ZH.match(text, end):
            return head + given
    if _TITLE_ZH.match(text, start + head):
        return head
    return head + 1 if closed and len(text) > start + head and _is_given(text[start + head]) else 0
