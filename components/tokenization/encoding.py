"""Encode splits: every document as sentences of token ids, with the word each token belongs to.

In: a splits folder and a tokenizer folder. Out: ``train/ dev/ test/ holdout/`` as Hugging Face datasets, a row a
document: ``id``, ``lang``, ``sentences`` (list of lists of int32 token ids without special tokens) and ``words`` (the
same shape: index of the word inside its sentence, which whole-word masking needs). Words are runs between white space
or punctuation, and for Chinese the words of jieba, because WordPiece sees single characters there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from components.core.corpus import Record, read_records
from components.core.errors import ContractError
from components.core.hashing import digest_value
from components.core.jsonfiles import write_json
from components.core.store import StageReport
from components.tokenization.config import EncodingConfig
from components.tokenization.text import CJK, chinese_words, language_of, split_sentences

SPLITS = ("train", "dev", "test", "holdout")
_BYTES_PER_SHARD = 500_000_000


class SplitCounts(BaseModel):
    """What one split holds."""

    documents: int = 0
    empty_documents: int = 0
    sentences: int = 0
    tokens: int = 0
    words: int = 0


class EncodingReport(BaseModel):
    """Counts by split."""

    splits: dict[str, SplitCounts]


def encode_splits(splits: Path, tokenizer: Path, config: EncodingConfig, *, out_dir: Path) -> StageReport:
    """Encode all four splits. No token is lost: the sentences of a row joined are the tokens of its text.

    Raises:
        ContractError: A split folder or the tokenizer's file is missing.
    """
    missing = [name for name in SPLITS if not (splits / name).is_dir()]
    if missing:
        raise ContractError(f"{splits}: no split {', '.join(missing)}; run the split stage")
    opened = _open_tokenizer(tokenizer)
    counts = {name: _encode_split(splits / name, opened, config, out_dir / name) for name in SPLITS}
    write_json(EncodingReport(splits=counts), out_dir / "report.json")
    summary: dict[str, object] = {f"{name}_tokens": count.tokens for name, count in counts.items()}
    return StageReport(rows=sum(count.documents for count in counts.values()), summary=summary)


def _open_tokenizer(folder: Path) -> Any:
    """The folder's ``tokenizer.json``, neither cutting nor padding; needs no ``transformers``, which loads slowly."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ContractError(f"{folder}: no tokenizer.json; run the tokenizer stage or save a fast tokenizer there")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def word_indices(sentence: str, encoding: Any) -> list[int]:
    """For each token of an encoded sentence the index of its word, counted from 0, never falling.

    ``encoding`` is the ``tokenizers.Encoding`` of that sentence.
    """
    runs: list[int] = encoding.word_ids
    if CJK.search(sentence) is None:
        return _renumber(runs)
    # Character to Chinese word; tokens of ideographs take that, the rest keep their run (negative: never equal).
    word_of_character = [index for index, word in enumerate(chinese_words(sentence)) for _ in word]
    keys = [
        word_of_character[start] if CJK.match(sentence, start) else -1 - run
        for run, (start, _) in zip(runs, encoding.offsets, strict=True)
    ]
    return _renumber(keys)


def _renumber(keys: list[int]) -> list[int]:
    """Numbers that rise by one wherever the key changes, from 0."""
    index, previous, out = -1, None, []
    for key in keys:
        if key != previous:
            index, previous = index + 1, key
        out.append(index)
    return out


def _encode_split(corpus: Path, tokenizer: Any, config: EncodingConfig, out_dir: Path) -> SplitCounts:
    counts = SplitCounts()
    records = read_records(corpus)
    tables = []
    while batch := list(islice(records, config.documents_per_batch)):
        tables.append(_encode_batch(batch, tokenizer, config, counts))
    _save(tables or [_table([], [], [], [], [0])], out_dir)
    return counts


def _encode_batch(batch: list[Record], tokenizer: Any, config: EncodingConfig, counts: SplitCounts) -> Any:
    sentences = [split_sentences(record["text"]) for record in batch]
    flat = [sentence for document in sentences for sentence in document]
    encodings = iter(tokenizer.encode_batch(flat, add_special_tokens=False))
    pieces: list[tuple[list[int], list[int]]] = []
    ends = [0]
    for document in sentences:
        for sentence, encoding in zip(document, islice(encodings, len(document)), strict=True):
            pieces.extend(_cut(encoding.ids, word_indices(sentence, encoding), config.max_sentence_tokens))
        ends.append(len(pieces))
    counts.documents += len(batch)
    counts.empty_documents += sum(start == end for start, end in pairwise(ends))
    counts.sentences += len(pieces)
    counts.tokens += sum(len(ids) for ids, _ in pieces)
    counts.words += sum(words[-1] + 1 for _, words in pieces)
    ids, languages = [record["id"] for record in batch], [language_of(record) for record in batch]
    return _table(ids, languages, [ids for ids, _ in pieces], [words for _, words in pieces], ends)


def _cut(ids: list[int], words: list[int], size: int) -> Iterator[tuple[list[int], list[int]]]:
    """Pieces of at most ``size`` tokens; each piece counts its words from 0."""
    for start in range(0, len(ids), size):
        first = words[start]
        yield ids[start : start + size], [word - first for word in words[start : start + size]]


def _table(
    ids: list[str], languages: list[str], sentences: list[list[int]], words: list[list[int]], document_ends: list[int]
) -> Any:
    """An Arrow table of documents from flat sentences and the sentence offsets of documents."""
    import pyarrow as pa

    inner = np.cumsum([0, *map(len, sentences)], dtype=np.int32)
    outer = pa.array(document_ends, pa.int32())

    def nested(rows: list[list[int]]) -> Any:
        flat = np.fromiter((value for row in rows for value in row), dtype=np.int32, count=int(inner[-1]))
        return pa.ListArray.from_arrays(outer, pa.ListArray.from_arrays(pa.array(inner), pa.array(flat)))

    columns = [pa.array(ids, pa.string()), pa.array(languages, pa.string()), nested(sentences), nested(words)]
    return pa.table(columns, names=["id", "lang", "sentences", "words"])


def _save(tables: list[Any], out_dir: Path) -> None:
    """Write a Hugging Face dataset whose bytes depend on the rows alone, quietly."""
    import datasets
    import pyarrow as pa

    table = pa.concat_tables(tables)
    fingerprint = digest_value([str(table.schema), table.num_rows])[-16:]
    bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        dataset = datasets.Dataset(table, fingerprint=fingerprint)
        dataset.save_to_disk(str(out_dir), num_shards=max(1, -(-table.nbytes // _BYTES_PER_SHARD)))
    finally:
        if not bars:
            datasets.enable_progress_bars()
