"""Train one WordPiece vocabulary for English and Chinese on the train split.

In: a splits folder. Out: a tokenizer folder that ``transformers`` opens as ``BertTokenizer``, with [PAD]=0, [UNK]=1,
[CLS]=2, [SEP]=3, [MASK]=4, then the placeholders of redaction, and ``report.json`` with fertility and [UNK] share by
language on the dev split.

Text is normalised and split as in BERT (clean, lowercase, CJK ideographs isolated, punctuation apart). The trainer of
``tokenizers`` numbers characters in the order of a randomly seeded hash map and breaks ties between merges by those
numbers, so two runs differ; handing it all characters first, in an order of ours, makes the bytes repeat.
"""

from __future__ import annotations

import heapq
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from components.core.corpus import read_records
from components.core.errors import ContractError
from components.core.jsonfiles import write_json
from components.core.seeds import derive_seed
from components.core.store import StageReport
from components.tokenization.config import SPECIAL_TOKENS, TokenizerConfig
from components.tokenization.text import language_of

logger = logging.getLogger(__name__)

_PREFIX = "##"
_MAX_WORD_CHARACTERS = 100  # as in BERT: longer words are [UNK]


class LanguageCoverage(BaseModel):
    """How well the vocabulary covers held-out text of one language."""

    documents: int
    tokens: int
    tokens_per_word: float
    tokens_per_character: float
    unknown_share: float


class TokenizerReport(BaseModel):
    """What was trained, on how much."""

    vocabulary_size: int
    alphabet_size: int
    dropped_characters: int
    training_documents: int
    measured_on: str = "dev"
    coverage: dict[str, LanguageCoverage]


def train_tokenizer(splits: Path, config: TokenizerConfig, *, out_dir: Path) -> StageReport:
    """Train on ``splits/train`` only; same records, config and seed give the same bytes.

    Raises:
        ContractError: The train split has no text in the configured languages.
    """
    texts = list(_training_texts(splits / "train", config))
    words = _count_words(texts, config)
    if not words:
        raise ContractError(f"{splits / 'train'}: no text in {', '.join(config.languages)}; look at the split stage")
    alphabet, dropped = _choose_alphabet(words, config)
    vocabulary = _train_vocabulary(words, alphabet, config)
    tokenizer = build_tokenizer(vocabulary, config)
    tokenizer.save_pretrained(str(out_dir))
    report = TokenizerReport(
        vocabulary_size=len(vocabulary),
        alphabet_size=len(alphabet),
        dropped_characters=dropped,
        training_documents=len(texts),
        coverage=measure_coverage(tokenizer, read_records(splits / "dev")),
    )
    write_json(report, out_dir / "report.json")
    summary = {"vocabulary_size": report.vocabulary_size, "training_documents": report.training_documents}
    shares = {f"unknown_share_{lang}": item.unknown_share for lang, item in report.coverage.items()}
    return StageReport(rows=report.vocabulary_size, summary=summary | shares)


def build_tokenizer(vocabulary: dict[str, int], config: TokenizerConfig) -> Any:
    """A ``BertTokenizer`` over a vocabulary, in which placeholders are matched in the raw text and never split."""
    from tokenizers import AddedToken
    from transformers import BertTokenizer

    tokenizer = BertTokenizer(
        vocab=vocabulary, do_lower_case=config.lowercase, strip_accents=None, model_max_length=config.max_tokens
    )
    tokenizer.add_tokens([AddedToken(name, normalized=False, special=False) for name in config.placeholders])
    return tokenizer


def measure_coverage(tokenizer: Any, records: Iterable[dict[str, Any]]) -> dict[str, LanguageCoverage]:
    """Fertility and [UNK] share by language; words are those of BERT's pre-tokenisation (a Chinese character each)."""
    counts: dict[str, Counter[str]] = {}
    by_language: dict[str, list[str]] = {}
    for record in records:
        by_language.setdefault(language_of(record), []).append(record["text"])
    backend, unknown = tokenizer.backend_tokenizer, tokenizer.unk_token_id
    for language, texts in sorted(by_language.items()):
        count = counts[language] = Counter(documents=len(texts))
        for text, encoding in zip(texts, backend.encode_batch(texts, add_special_tokens=False), strict=True):
            count["tokens"] += len(encoding.ids)
            count["words"] += len(set(encoding.word_ids))
            count["characters"] += sum(not character.isspace() for character in text)
            count["unknown"] += encoding.ids.count(unknown)
    return {
        language: LanguageCoverage(
            documents=count["documents"],
            tokens=count["tokens"],
            tokens_per_word=round(count["tokens"] / max(1, count["words"]), 6),
            tokens_per_character=round(count["tokens"] / max(1, count["characters"]), 6),
            unknown_share=round(count["unknown"] / max(1, count["tokens"]), 6),
        )
        for language, count in counts.items()
    }


def _training_texts(train: Path, config: TokenizerConfig) -> Iterator[str]:
    """Texts in the configured languages; at most ``max_training_documents``, drawn by a hash of id and seed."""
    records = (record for record in read_records(train) if language_of(record) in config.languages)
    if config.max_training_documents is None:
        yield from (record["text"] for record in records)
        return
    drawn = heapq.nsmallest(
        config.max_training_documents,
        ((derive_seed(config.seed, "tokenizer", record["id"]), record["id"], record["text"]) for record in records),
    )
    yield from (text for _, _, text in drawn)


def _count_words(texts: Iterable[str], config: TokenizerConfig) -> Counter[str]:
    """How often each word of BERT's pre-tokenisation occurs; placeholders are left out."""
    from tokenizers import normalizers, pre_tokenizers

    normalizer = normalizers.BertNormalizer(lowercase=config.lowercase)
    splitter = pre_tokenizers.BertPreTokenizer()
    placeholder = re.compile("|".join(map(re.escape, sorted(config.placeholders))) or r"(?!)")
    runs: Counter[str] = Counter()
    for text in texts:
        runs.update(normalizer.normalize_str(placeholder.sub(" ", text)).split())
    words: Counter[str] = Counter()
    for run, count in runs.items():
        for word, _ in splitter.pre_tokenize_str(run):
            if len(word) <= _MAX_WORD_CHARACTERS:
                words[word] += count
    return words


def _choose_alphabet(words: Counter[str], config: TokenizerConfig) -> tuple[list[str], int]:
    """Single-character tokens (``x``, ``##x``), the most frequent first, and how many found no room."""
    pieces: Counter[str] = Counter()
    for word, count in words.items():
        pieces[word[0]] += count
        for character in word[1:]:
            pieces[_PREFIX + character] += count
    room = int((config.vocabulary_size - len(SPECIAL_TOKENS) - len(config.placeholders)) * config.max_alphabet_share)
    ordered = sorted(pieces, key=lambda piece: (-pieces[piece], piece))
    return ordered[:room], max(0, len(ordered) - room)


def _train_vocabulary(words: Counter[str], alphabet: list[str], config: TokenizerConfig) -> dict[str, int]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    kept = set(alphabet)
    usable = {
        word: count
        for word, count in sorted(words.items())
        if word[0] in kept and all(_PREFIX + character in kept for character in word[1:])
    }
    first = [*SPECIAL_TOKENS, *config.placeholders, *alphabet]
    trainer = trainers.WordPieceTrainer(
        vocab_size=config.vocabulary_size,
        min_frequency=config.min_frequency,
        special_tokens=first,
        continuing_subword_prefix=_PREFIX,
        show_progress=False,
    )
    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL_TOKENS[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    lines = (" ".join([word] * count) for word, count in _in_portions(usable))
    tokenizer.train_from_iterator(lines, trainer)
    vocabulary: dict[str, int] = tokenizer.get_vocab(with_added_tokens=False)
    # A word is never a placeholder or special token: brackets are split off as punctuation.
    return dict(sorted(vocabulary.items(), key=lambda item: item[1]))


def _in_portions(words: dict[str, int], size: int = 1000) -> Iterator[tuple[str, int]]:
    """Words with their counts in portions, so that no training line is long."""
    for word, count in words.items():
        full, rest = divmod(count, size)
        yield from ((word, portion) for portion in [size] * full + [rest] * (rest > 0))
