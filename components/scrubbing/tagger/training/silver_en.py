"""Names in English encyclopaedia articles without annotation.

In: articles with titles. Out: their first lines, in which the article's own subject, persons who have an article, and
well-known places are marked. Every other run of capitals is not judged: it may be a name or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from components.scrubbing.tagger.training.documents import NAMES, Document, Gold
from components.scrubbing.tagger.training.fill import fill_in
from components.scrubbing.tagger.training.values import DEMONYMS, WORDS

_LIFE = (
    r"\((?:[^)]{0,80}\b)?(?:born|b\.|died|\d{1,2} [A-Z][a-z]+ \d{4}|[A-Z][a-z]+ \d{1,2}, \d{4}"
    r"|c?\.? ?\d{4} ?[–-])[^)]*\)"
)
_PERSON = re.compile(
    rf"^[^\n]{{0,120}}?(?:{_LIFE}|\b(?:is|was) an? [^.]{{0,80}}\b(?:actor|actress|politician|player|footballer|singer"
    r"|writer|poet|author|painter|musician|composer|scientist|lawyer|bishop|officer|journalist|coach|philosopher"
    r"|mathematician|artist|historian|physicist|engineer)\b)"
)
_ORGANISATION = re.compile(
    r"^[^\n]{0,100}?\b(?:is|was) an? [^.]{0,70}\b(?:company|university|college|corporation|organi[sz]ation|agency|bank"
    r"|newspaper|publisher|airline|institute|association|retailer|manufacturer|charity)\b"
)
_FULL_NAME = re.compile(r"(?:[A-Z][\w'’-]+\.? ){1,3}[A-Z][\w'’-]+")
_TAIL = re.compile(r" \(.*|,.*")
_WORD = r"[A-Z][\w’'\-]*"
_RUN = re.compile(rf"\b{_WORD}(?:(?:(?<=\b[A-Z])\. ?| | of | of the | and | de | van | von | & ){_WORD})*")
_SENTENCE_END = re.compile(r"(?:^|[.!?:\n\"“(] ?)$")
_NO_NAMES = frozenset(
    word for pair in DEMONYMS for word in pair
) | frozenset([*WORDS["months"], *WORDS["days"]])  # fmt: skip
_MAX_CHARACTERS, _MIN_CHARACTERS = 450, 80
_ALWAYS_LARGE = 3 << 6
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b")


@dataclass(frozen=True)
class _Subject:
    name: str
    label: str
    body: str


def mark_subjects(
    articles: Iterable[tuple[str, str]], places: frozenset[str], cases: Mapping[str, int]
) -> Iterator[Document]:
    """The first lines of every article on a person or an organisation.

    ``places`` are names that mean nothing else; ``cases`` the lexicon's bits on how often a word has a capital.
    """
    subjects = [subject for title, text in articles if (subject := _subject(title, text)).label]
    persons = frozenset(subject.name for subject in subjects if subject.label == "PERSON")
    for subject in subjects:
        names = {subject.name: subject.label}
        if subject.label == "PERSON":
            names[subject.name.rsplit(" ", 1)[-1]] = "PERSON"
        spans = tuple(_marked(subject.body, names, persons, places, cases))
        if any(span.label for span in spans):
            yield _years_aside(fill_in(Document(subject.body, spans, NAMES, "enwiki-2018", "en", subject.name)))


def _years_aside(document: Document) -> Document:
    """Years that the rules for dates are not sure of are not judged."""
    years = [Gold(*match.span(), None) for match in _YEAR.finditer(document.text)]
    loose = [year for year in years if not any(year.start < s.end and s.start < year.end for s in document.spans)]
    return replace(document, spans=tuple(sorted([*document.spans, *loose], key=lambda span: span.start)))


def _subject(title: str, text: str) -> _Subject:
    name, body = _TAIL.sub("", title), text.split("\n", 1)[-1].strip()[:_MAX_CHARACTERS]
    cut = body.rfind(". ")
    body = body[: cut + 1] if cut > _MIN_CHARACTERS else body
    if len(body) < _MIN_CHARACTERS or name not in body:
        return _Subject(name, "", body)
    if _FULL_NAME.fullmatch(name) and _PERSON.match(body):
        return _Subject(name, "PERSON", body)
    return _Subject(name, "ORGANIZATION" if _ORGANISATION.match(body) else "", body)


def _marked(
    text: str, names: Mapping[str, str], persons: frozenset[str], places: frozenset[str], cases: Mapping[str, int]
) -> Iterator[Gold]:
    for match in _RUN.finditer(text):
        start, value = match.start(), match.group().removesuffix("'s").removesuffix("’s")
        first, _, rest = value.partition(" ")
        if value not in names and _SENTENCE_END.search(text[max(0, start - 2) : start]):
            # A plain word is large at the start of a sentence; what follows it may still be a name.
            if cases.get(first.lower(), _ALWAYS_LARGE) < 1 << 6:
                start, value = start + len(first) + 1, rest
            if not value:
                continue
        if value in _NO_NAMES:
            continue
        label = names.get(value) or ("PERSON" if value in persons else "LOCATION" if value in places else None)
        yield Gold(start, start + len(value), label)
