"""Names in encyclopaedia articles without annotation: an article on a person names that person again and again.

In: Chinese articles with titles. Out: paragraphs in which persons, places and organisations that have an article, or
stand as such in jieba's dictionary, are marked. Runs of single characters, where an unknown name may hide, are not
judged.
"""

from __future__ import annotations

import gzip
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.scrubbing.tagger.training.documents import ALL_LABELS, NAMES, Document, Gold
from components.scrubbing.tagger.training.scripts import to_simplified

_DOC = re.compile(r'<doc id="(\d+)"[^>]* title="([^"]*)">\n(.*?)</doc>', re.DOTALL)
_PERSON = re.compile(
    r"^[^。]{0,60}（[^）]{0,60}\d{3,4}年[^）]{0,40}）|^[^。]{0,80}(?:人物|演员|歌手|政治家|球员|导演|作家|将领|教授|画家|运动员|官员)[，。]"
)
_PLACE = re.compile(
    r"^[^。]{0,40}(?:位于|是[^。，]{0,20}(?:市|县|镇|村|省|州|区|城市|市镇|岛|岛屿|河流|湖泊|山峰))[^。]{0,20}"
)
_ORGANISATION = re.compile(r"^[^。]{0,60}是[^。，]{0,25}(?:公司|大学|学校|企业|银行|政党|组织|医院|俱乐部|机构)")
_TITLE_TAIL = re.compile(r" ?[(（].*")
_HAN = re.compile("[\u4e00-\u9fff·]{2,12}")
_IDEOGRAPH = re.compile("[\u4e00-\u9fff]")
_OPENERS = "The|It|They|This|These|In|As|A|An|Many|Some|Most|However|When|If|For|While|Although"
_PLAIN = re.compile(rf"(?<=[.!?] )(?:{_OPENERS}) [a-z ,;'’()\-]{{40,250}}[.!?](?= |\n|$)")
_DOTTED = re.compile("[\u4e00-\u9fff]{1,5}(?:·[\u4e00-\u9fff]{1,5})+")
_MAX_PARAGRAPHS, _MAX_CHARACTERS, _MIN_CHARACTERS = 3, 300, 40
_KINDS = {"nr": "PERSON", "nrfg": "PERSON", "ns": "LOCATION", "nt": "ORGANIZATION"}


def plain_sentences(articles: Iterable[tuple[str, str]], *, limit: int) -> Iterator[Document]:
    """English sentences without a name: no capital after the first word, and no digit."""
    found = 0
    for title, text in articles:
        for match in _PLAIN.finditer(text):
            sentence = match.group().strip()
            if len(sentence) > _MIN_CHARACTERS and found < limit:
                found += 1
                yield Document(sentence, (), ALL_LABELS, "enwiki-core", "en", title)


@dataclass(frozen=True)
class Entry:
    """An article's title, text and what it is about (empty: something else)."""

    title: str
    text: str
    label: str


def read_articles(path: Path) -> Iterator[tuple[str, str]]:
    """Title and text of each article of one packed file, WikiExtractor markup or JSON lines."""
    raw = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    if path.name.endswith(".jsonl.gz"):
        for line in raw.splitlines():
            row = json.loads(line)
            yield row["title"], row["text"]
        return
    for match in _DOC.finditer(raw):
        yield html.unescape(match[2]), html.unescape(match[3])


def sort_entries(articles: Iterable[tuple[str, str]]) -> list[Entry]:
    """Articles by what their first sentence says they are about, in simplified characters."""
    entries: list[Entry] = []
    for title, text in articles:
        name = to_simplified(_TITLE_TAIL.sub("", title))
        body = to_simplified(text.split("\n", 1)[-1].strip())
        rules = ((_PERSON, "PERSON"), (_PLACE, "LOCATION"), (_ORGANISATION, "ORGANIZATION"))
        label = next((label for rule, label in rules if rule.match(body[:200])), "") if _HAN.fullmatch(name) else ""
        if len(body) >= _MIN_CHARACTERS:
            entries.append(Entry(name, body, "" if label == "PERSON" and len(name) > 4 and "·" not in name else label))
    return entries


def mark_names(
    entries: list[Entry], kinds: dict[str, str], surnames: frozenset[str], places: Iterable[str]
) -> Iterator[Document]:
    """Paragraphs with every known name marked. ``kinds``: part of speech of each word of jieba's dictionary."""
    import jieba

    jieba.setLogLevel(60)
    cutter = jieba.Tokenizer()
    titles = dict.fromkeys(places, "LOCATION")
    titles |= {entry.title: entry.label for entry in entries if entry.label and len(entry.title) > 2}
    titles |= {
        part: "PERSON"
        for entry in entries
        if entry.label == "PERSON"
        for part in entry.title.split("·")
        if len(part) > 2
    }
    for word in titles:
        cutter.add_word(word, freq=1000)
    for entry in entries:
        for paragraph in entry.text.split("\n")[:_MAX_PARAGRAPHS]:
            cut = paragraph[:_MAX_CHARACTERS]
            if len(cut) < _MIN_CHARACTERS or (entry.label and entry.title not in cut):
                continue
            spans = _marked(cutter.cut(cut, HMM=False), {**titles, entry.title: entry.label}, kinds, surnames)
            spans = _joined_at_dots(cut, spans)
            if any(span.label for span in spans):
                yield Document(cut, tuple(spans), NAMES, "zhwiki-extracts", "zh", entry.title)


def _marked(
    words: Iterable[str], titles: dict[str, str], kinds: dict[str, str], surnames: frozenset[str]
) -> list[Gold]:
    spans: list[Gold] = []
    at = 0
    run: list[tuple[int, str]] = []
    for word in [*words, "。"]:
        if len(word) == 1 and _IDEOGRAPH.match(word) and word not in _COMMON:
            run.append((at, word))
        else:
            spans += _unjudged(run, surnames)
            run = []
            label = titles.get(word) or _KINDS.get(kinds.get(word, ""), "")
            doubtful = label == "PERSON" and (word[0] not in surnames or len(word) < 3)
            if word not in titles and (doubtful or kinds.get(word) in {"nrt", "nz"}):
                # The dictionary calls many plain words of two characters names, and countries persons.
                spans.append(Gold(at, at + len(word), None))
            elif label and len(word) > 1:
                spans.append(Gold(at, at + len(word), label))
        at += len(word)
    return spans


def _joined_at_dots(text: str, spans: list[Gold]) -> list[Gold]:
    """Parts of a foreign name on both sides of a dot as one; with one part known only, the whole is not judged."""
    whole: list[Gold] = []
    for match in _DOTTED.finditer(text):
        parts = [span for span in spans if span.start < match.end() and match.start() < span.end]
        if parts:
            start, end = min(span.start for span in parts), max(span.end for span in parts)
            dots = [at for at in range(match.start(), match.end()) if text[at] == "·"]
            both = start < dots[0] and end > dots[-1] + 1
            known = both and any(span.label == "PERSON" for span in parts)
            whole.append(Gold(start, end, "PERSON") if known else Gold(match.start(), match.end(), None))
    apart = [span for span in spans if not any(span.start < w.end and w.start < span.end for w in whole)]
    return sorted([*apart, *whole], key=lambda span: span.start)


def _unjudged(run: list[tuple[int, str]], surnames: frozenset[str]) -> list[Gold]:
    """A run of single characters from its first surname on, or all of it if it is as long as a foreign name."""
    if len(run) < 2:
        return []
    first = 0 if len(run) > 2 else next((i for i, (_, char) in enumerate(run) if char in surnames), len(run))
    return [Gold(run[first][0], run[-1][0] + 1, None)] if first < len(run) - 1 else []


_COMMON = frozenset(
    "的了是在和有不为中与等及也这那他她它我你人上下大小多少年月日时个之以而其于由被从到对将并或但都就又还很最更"
)
