"""A first look at somebody's file: which column is which field, which languages, which labels.

In: a file in any form that has records. Out: a ``DataProfile``: names of columns and labels, counts and shares, never a
text. Column names count first, in English and Chinese; the content must agree with them, and decides alone where no
name helps.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from components.core.errors import ContractError
from components.ingestion.config import FieldName, SourceConfig
from components.ingestion.formats import read_jsonl
from components.ingestion.languages import detect_language
from components.ingestion.reading import ReadLimits
from components.ingestion.records import QuarantineReason
from components.ingestion.sources import HUB_PREFIX, UnreadableFile, open_files

SAMPLE_ROWS = 5_000
_LANGUAGE_ROWS = 1_000
_MAX_LABELS = 50
_MIN_LANGUAGE_SHARE = 0.02
_MAX_RECORD_BYTES = 1_000_000

_NAMES: dict[FieldName, tuple[str, ...]] = {
    "text": (
        *("text", "content", "body", "message", "comment", "review", "sentence", "document", "description", "tweet"),
        *("post", "utterance", "question", "ticket", "details", "feedback"),
        *("内容", "文本", "正文", "评论", "描述", "留言", "消息", "反馈", "句子", "问题", "工单内容", "详情"),
    ),
    "label": (
        *("label", "class", "category", "sentiment", "target", "polarity", "mood", "emotion", "intent", "topic"),
        *("rating", "stars", "type", "tag", "queue", "priority"),
        *("标签", "类别", "分类", "情感", "情绪", "评价", "评分", "类型", "意图", "主题", "优先级", "结果"),
    ),
    "lang": ("lang", "language", "locale", "语言", "语种"),
    "timestamp": (
        *("timestamp", "datetime", "date", "time", "created", "created_at", "posted", "updated"),
        *("时间", "日期", "创建时间", "发布时间", "提交时间"),
    ),
    "id": ("id", "uuid", "guid", "record_id", "ticket_id", "doc_id", "no", "编号", "序号", "工单号", "单号"),
    "user": (
        "user",
        "user_id",
        "userid",
        "author",
        "customer",
        "customer_id",
        "account",
        "用户",
        "客户",
        "作者",
        "账号",
    ),
    "group": (
        *("group", "gender", "sex", "ethnicity", "race", "nationality", "religion", "age_group", "region"),
        *("群体", "性别", "民族", "年龄段", "地区", "国籍", "宗教"),
    ),
}


class DataProfile(BaseModel):
    """What a file holds, without any of it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(ge=0, description="Readable records.")
    sampled: int = Field(ge=0, description="Records that were looked at.")
    all_columns: tuple[str, ...]
    columns: dict[FieldName, str] = Field(description="Our field to the file's column.")
    languages: dict[str, float] = Field(description="Share of en and zh among the sampled texts.")
    labels: dict[str, int] = Field(description="Label to count in the sample; empty without a label column.")
    groups: dict[str, int]
    median_characters: int = Field(ge=0)


def profile_data(path: str, *, columns: Mapping[FieldName, str] | None = None) -> DataProfile:
    """Look at a file. ``columns`` that the caller already knows stand.

    Raises: ConfigError if there is no such file; ContractError if it has no records or no column of texts.
    """
    rows = _rows(path)
    sample = list(islice(rows, SAMPLE_ROWS))
    if not sample:
        raise ContractError(f"{path}: no readable record; check the file and its format")
    total = len(sample) + sum(1 for _ in rows)
    found = guess_columns(sample, known=columns or {})
    names = tuple(dict.fromkeys(name for row in sample for name in row))
    if "text" not in found:
        raise ContractError(f"{path}: no column looks like text; the columns are {', '.join(names)}; name it in "
                            "ingestion.columns.text")  # fmt: skip
    texts = [row[found["text"]] for row in sample if row.get(found["text"])]
    lengths = sorted(map(len, texts))
    return DataProfile(
        rows=total,
        sampled=len(sample),
        all_columns=names,
        columns=found,
        languages=_languages(texts),
        labels=_counts(sample, found.get("label")),
        groups=_counts(sample, found.get("group")),
        median_characters=lengths[len(lengths) // 2] if lengths else 0,
    )


def guess_columns(
    rows: Sequence[Mapping[str, str]], *, known: Mapping[FieldName, str] | None = None
) -> dict[FieldName, str]:
    """Our fields to the columns that hold them. Each column serves once; a field without a column is left out."""
    values: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.items():
            if value.strip():
                values.setdefault(name, []).append(value)
    found: dict[FieldName, str] = dict(known or {})
    for field, fits in _FITS.items():
        if field in found:
            continue
        free = [name for name in values if name not in found.values()]
        named = [name for name in _by_name(field, free) if fits(values[name], len(rows))]
        if not named and field == "text":
            named = _longest(free, values)
        if not named and field == "label":
            named = _only_classes(free, values, len(rows))
        if not named and field == "timestamp":
            named = [name for name in free if _looks_like_date(values[name])][:1]
        if named:
            found[field] = named[0]
    return found


def _by_name(field: FieldName, columns: list[str]) -> list[str]:
    """Columns whose name says this field, the plainest first: equal to a known name, then holding one as a word."""
    ranked: list[tuple[int, int, str]] = []
    for position, column in enumerate(columns):
        plain = re.sub(r"[\s\-]+", "_", column.strip().lower())
        words = set(plain.split("_"))
        for rank, name in enumerate(_NAMES[field]):
            if plain == name:
                ranked.append((rank, position, column))
            elif name in words or (not name.isascii() and name in plain):
                ranked.append((100 + rank, position, column))
    return list(dict.fromkeys(column for _, _, column in sorted(ranked)))


def _longest(columns: list[str], values: Mapping[str, list[str]]) -> list[str]:
    """The column of longest values, if they read like text: several words or characters, and mostly different."""
    prose = [name for name in columns if _looks_like_text(values[name], len(values[name]))]
    return sorted(prose, key=lambda name: -_mean_length(values[name]))


def _only_classes(columns: list[str], values: Mapping[str, list[str]], rows: int) -> list[str]:
    """The one column of few different values whose name says nothing else; none if there are several."""
    spoken_for = {column for field in _FITS for column in _by_name(field, columns)}
    few = [name for name in columns if name not in spoken_for and _looks_like_label(values[name], rows)]
    return few if len(few) == 1 else []


def _mean_length(values: list[str]) -> float:
    return sum(map(len, values)) / max(1, len(values))


def _looks_like_text(values: list[str], rows: int) -> bool:
    del rows
    distinct = len(set(values)) / len(values)
    return _mean_length(values) >= 4 and distinct > 0.2 and not _looks_like_time(values, 0)


def _looks_like_label(values: list[str], rows: int) -> bool:
    distinct = len(set(values))
    return 2 <= distinct <= min(_MAX_LABELS, max(2, rows // 3)) and _mean_length(values) <= 60


def _looks_like_language(values: list[str], rows: int) -> bool:
    del rows
    return len(set(values)) <= 20 and all(len(value.strip()) <= 12 for value in values)


def _looks_like_time(values: list[str], rows: int) -> bool:
    del rows
    return all(_is_time(value) for value in values[:50])


def _looks_like_date(values: list[str]) -> bool:
    """Dates as written, not mere numbers, which may count anything."""
    return _looks_like_time(values, 0) and not all(value.strip().isdigit() for value in values[:50])


def _is_time(value: str) -> bool:
    text = value.strip().replace("/", "-").replace("年", "-").replace("月", "-").replace("日", "")
    if re.fullmatch(r"\d{9,13}", text):  # seconds or milliseconds since 1970
        return True
    parts = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})(.*)", text)
    if parts is None:
        return False
    try:
        datetime.fromisoformat(f"{parts[1]}-{int(parts[2]):02d}-{int(parts[3]):02d}")
    except ValueError:
        return False
    return True


def _looks_like_id(values: list[str], rows: int) -> bool:
    return len(set(values)) == len(values) == rows and _mean_length(values) <= 80


def _looks_like_user(values: list[str], rows: int) -> bool:
    return len(set(values)) <= max(1, rows) and _mean_length(values) <= 80


_FITS: dict[FieldName, Callable[[list[str], int], bool]] = {
    "text": _looks_like_text,
    "label": _looks_like_label,
    "lang": _looks_like_language,
    "timestamp": _looks_like_time,
    "id": _looks_like_id,
    "user": _looks_like_user,
    "group": _looks_like_label,
}


def _languages(texts: Sequence[str]) -> dict[str, float]:
    """Shares of the supported languages, largest first; traces are left out."""
    sample = texts[:: max(1, len(texts) // _LANGUAGE_ROWS)]
    counts = Counter[str](detect_language(text)[0] for text in sample)
    shares = {name: counts[name] / len(sample) for name in ("en", "zh") if sample}
    return {
        name: round(share, 3)
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
        if share >= _MIN_LANGUAGE_SHARE
    }


def _counts(rows: Sequence[Mapping[str, str]], column: str | None) -> dict[str, int]:
    if column is None:
        return {}
    return dict(Counter(row[column] for row in rows if row.get(column, "").strip()).most_common(_MAX_LABELS))


def _rows(path: str) -> Iterator[dict[str, str]]:
    """Rows with every cell as text, before anything is mapped or judged."""
    if path.startswith(HUB_PREFIX):
        raise ContractError(f"{path}: give a file to look at; hub data sets are named in finetuning.sources")
    for file in open_files(SourceConfig(path=path)):
        if isinstance(file, UnreadableFile):
            raise file.error
        if file.format == "jsonl":
            yield from _json_rows(file.stream, file.name)
        elif file.format in {"csv", "tsv"}:
            yield from _table_rows(file.stream, "\t" if file.format == "tsv" else None)
        elif file.format == "parquet":
            yield from _parquet_rows(path)
        else:
            raise ContractError(f"{file.name}: a {file.format} file has no columns; task data needs .jsonl, .csv or "
                                ".parquet with a label a record")  # fmt: skip


def _json_rows(stream: io.BufferedReader, name: str) -> Iterator[dict[str, str]]:
    limits = ReadLimits(name, SourceConfig(path=name), {}, _MAX_RECORD_BYTES, keep_unknown_columns=True)
    for _, row in read_jsonl(stream, limits):
        if not isinstance(row, QuarantineReason):
            yield {str(key): _cell(value) for key, value in row.items()}


def _table_rows(stream: io.BufferedReader, delimiter: str | None) -> Iterator[dict[str, str]]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    first = text.readline()
    mark = delimiter or max(",;\t", key=first.count)
    names = next(csv.reader([first], delimiter=mark), [])
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_RECORD_BYTES))
    for cells in csv.reader(text, delimiter=mark):
        if len(cells) == len(names):
            yield dict(zip(names, cells, strict=True))


def _parquet_rows(path: str) -> Iterator[dict[str, str]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(batch_size=1_000):
        for row in batch.to_pylist():
            yield {str(key): _cell(value) for key, value in row.items()}


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
