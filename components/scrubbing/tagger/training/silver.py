"""Names in encyclopaedia articles without annotation: an article on a person names that person again and again.

In: articles with titles. Out: paragraphs in which mentions of the article's subject, and dates, are marked; whatever
else may be a name is not judged.
"""

from __future__ import annotations

import gzip
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

from components.scrubbing.tagger.training.documents import Document, Gold
from components.scrubbing.tagger.training.scripts import to_simplified

_DOC = re.compile(r'<doc id="(\d+)"[^>]* title="([^"]*)">\n(.*?)</doc>', re.DOTALL)
_PERSON_EN = re.compile(r"\((?:born|b\.)? ?[^)]{0,40}\d{4}[^)]{0,60}\)[^.]{0,20} (?:is|was) an? ")
_PLACE_EN = re.compile(r"^[^.]{0,60} (?:is|was) an? [^.]{0,40}(?:village|town|city|municipality|commune|district|parish|county|river|island|mountain|lake|region|province|suburb|community)\b")  # fmt: skip
_ORG_EN = re.compile(r"^[^.]{0,80} (?:is|was) an? [^.]{0,50}(?:company|school|university|organi[sz]ation|club|party|bank|band|agency|college|newspaper|airline|association)\b")  # fmt: skip
_PERSON_ZH = re.compile(r"^[^。]{0,60}（[^）]{0,60}\d{3,4}年[^）]{0,40}）|^[^。]{0,80}(?:人物|演員|演员|歌手|政治家|球員|球员|導演|导演|作家|將領|将领|教授|畫家|画家|運動員|运动员|官員|官员)[，。]")  # fmt: skip
_PLACE_ZH = re.compile(r"^[^。]{0,40}(?:位于|位於|是[^。，]{0,20}(?:市|县|縣|镇|鎮|村|省|州|区|區|城市|市鎮|市镇|岛|島|河流|湖泊|山峰))[^。]{0,20}")
_ORG_ZH = re.compile(r"^[^。]{0,60}是[^。，]{0,25}(?:公司|大學|大学|學校|学校|企業|企业|銀行|银行|政黨|政党|組織|组织|醫院|医院|俱樂部|俱乐部|機構|机构)")
_DATE_EN = re.compile(
    r"\b(?:(?:\d{1,2} )?(?:January|February|March|April|May|June|July|August|September|October|November|December)"
    r"(?: \d{1,2},)? \d{4}|(?:\d{1,2} )?(?:January|March|April|June|July|August|September|October|November|December)"
    r"(?: \d{1,2})?|(?<=\b[io][nf] )(?:1[6-9]|20)\d\d\b|(?<=\ba )(?:19|20)\d\d\b)"
)
_DATE_ZH = re.compile(r"(?:公元前?|前)?\d{1,4}年(?:\d{1,2}月)?(?:\d{1,2}日)?|\d{1,2}月\d{1,2}日")
_TITLE_TAIL = re.compile(r" ?[(（].*")
_NAME_EN = re.compile(r"[^\W\d_]+(?:['’\-. ]+[^\W\d_]+)*\.?")
_NAME_ZH = re.compile("[\u4e00-\u9fff]{2,4}|[\u4e00-\u9fff]+(?:·[\u4e00-\u9fff]+)+")
# What may be a name: left unjudged where it is not the subject.
_CAPITALISED = re.compile(r"\b[A-ZÀ-ÖØ-Þ][\w’'.\-]*|\d+")
_MAX_PARAGRAPHS, _MAX_CHARACTERS, _MIN_CHARACTERS = 4, 400, 40


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


def mark_english(title: str, text: str) -> Iterator[Document]:
    """Paragraphs of an article on a person, place or organisation."""
    name = _TITLE_TAIL.sub("", title)
    body = text.split("\n", 1)[-1].strip()
    lead = body[:300]
    label = (
        "PERSON" if _PERSON_EN.search(lead) else "LOCATION" if _PLACE_EN.match(lead) else "ORGANIZATION" if _ORG_EN.match(lead) else ""
    )  # fmt: skip
    if not label or not _NAME_EN.fullmatch(name) or len(name) < 4:
        return
    forms = [re.escape(name)]
    if label == "PERSON" and " " in name:
        forms.append(rf"\b{re.escape(name.rsplit(' ', 1)[1])}\b")
    pattern = re.compile("|".join(forms))
    for paragraph in body.split("\n")[:_MAX_PARAGRAPHS]:
        cut = paragraph[:_MAX_CHARACTERS]
        spans = [Gold(*match.span(), label) for match in pattern.finditer(cut)]
        if spans and len(cut) >= _MIN_CHARACTERS:
            dates = [Gold(*match.span(), "DATE_TIME") for match in _DATE_EN.finditer(cut)]
            unjudged = [Gold(*match.span(), None) for match in _CAPITALISED.finditer(cut)]
            yield Document(cut, _layered(spans, dates, unjudged), frozenset({"PERSON", "LOCATION", "ORGANIZATION"}), "enwiki", "en", title)


def mark_chinese(title: str, text: str, common: frozenset[str]) -> Iterator[Document]:
    """The same for Chinese; only ``common`` words of the dictionary and punctuation are held to be outside."""
    name = to_simplified(_TITLE_TAIL.sub("", title))
    body = to_simplified(text.split("\n", 1)[-1].strip())
    lead = body[:200]
    label = "PERSON" if _PERSON_ZH.match(lead) else "LOCATION" if _PLACE_ZH.match(lead) else "ORGANIZATION" if _ORG_ZH.match(lead) else ""
    if not label or (label == "PERSON" and not _NAME_ZH.fullmatch(name)) or not re.fullmatch("[\u4e00-\u9fff·]{2,12}", name):
        return
    forms = [re.escape(name)]
    if label == "PERSON" and "·" in name:
        forms += [re.escape(part) for part in name.split("·") if len(part) > 1]
    pattern = re.compile("|".join(forms))
    for paragraph in body.split("\n")[:_MAX_PARAGRAPHS]:
        cut = paragraph[:_MAX_CHARACTERS]
        spans = [Gold(*match.span(), label) for match in pattern.finditer(cut)]
        if spans and len(cut) >= _MIN_CHARACTERS:
            dates = [Gold(*match.span(), "DATE_TIME") for match in _DATE_ZH.finditer(cut)]
            yield Document(cut, _layered(spans, dates, _uncommon(cut, common)), frozenset({"PERSON", "LOCATION", "ORGANIZATION"}), "zhwiki", "zh", title)


def _uncommon(text: str, common: frozenset[str]) -> list[Gold]:
    """Every character that is in no common word of the segmentation."""
    import jieba

    jieba.setLogLevel(60)
    at, spans = 0, []
    for word in jieba.cut(text, HMM=False):
        if word not in common and any("\u4e00" <= char <= "\u9fff" or char.isalnum() for char in word):
            spans.append(Gold(at, at + len(word), None))
        at += len(word)
    return spans


def _layered(*layers: list[Gold]) -> tuple[Gold, ...]:
    """Spans of all layers that do not overlap one of an earlier layer."""
    kept: list[Gold] = []
    for layer in layers:
        held = sorted(kept, key=lambda span: span.start)
        kept += [span for span in layer if not any(span.start < other.end and other.start < span.end for other in held)]
    return tuple(sorted(kept, key=lambda span: span.start))
