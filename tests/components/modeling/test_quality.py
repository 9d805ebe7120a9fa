"""The quality report: baselines against plain loops, intervals against resampling, and what the page says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testkit.offline import outside_references
from testkit.tiny_models import Tiny, tiny_pretraining

from components.core.jsonfiles import read_json
from components.modeling import baselines
from components.modeling.baselines import PairProbe, guess_by_ngrams, token_counts
from components.modeling.corpus import EncodedSplit, MappedColumn, load_split
from components.modeling.loading import load_tokenizer
from components.modeling.pairs import NO_LABEL, build_sequences
from components.modeling.pretraining import pretrain
from components.modeling.pretraining_metrics import PretrainingReport
from components.modeling.pretraining_report import gain
from components.modeling.quality_page import quality_page
from components.modeling.vocabulary import VocabularyIds, token_characters

SEEN = 4


def flat(documents: list[list[int]], languages: list[str] | None = None) -> EncodedSplit:
    """A split with a sentence a document."""
    tokens = np.asarray([token for document in documents for token in document], np.int32)
    ends = np.cumsum([0, *map(len, documents)])
    return EncodedSplit(
        MappedColumn([tokens]),
        MappedColumn([np.zeros_like(tokens)]),
        ends.astype(np.int64),
        np.arange(len(documents) + 1),
        np.asarray(languages or ["en"] * len(documents)),
    )


def by_hand(documents: list[list[int]], context: list[int], fallback: int) -> int:
    """The same guess from a table of every n-gram."""
    for length in range(len(context), 0, -1):
        wanted = tuple(context[-length:])
        if -1 in wanted:
            continue
        followers = Counter(
            document[place]
            for document in documents
            for place in range(length, len(document))
            if tuple(document[place - length : place]) == wanted
        )
        if followers:
            most = max(followers.values())
            return min(token for token, count in followers.items() if count == most)
    return fallback


@pytest.mark.parametrize("chunk", [7, 1 << 22])
def test_ngrams_against_a_table(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_CHUNK", chunk)

    @settings(max_examples=80, deadline=None)
    @given(
        st.lists(st.lists(st.integers(5, 8), min_size=1, max_size=12), min_size=1, max_size=6),
        st.lists(st.lists(st.sampled_from([-1, 5, 6, 7, 8, 9]), min_size=SEEN, max_size=SEEN), min_size=1, max_size=8),
    )
    def check(documents: list[list[int]], contexts: list[list[int]]) -> None:
        cut = [[-1 if -1 in context[place:] else context[place] for place in range(SEEN)] for context in contexts]
        found = guess_by_ngrams(flat(documents), np.asarray(cut), np.full(len(cut), 99))
        assert found.tolist() == [by_hand(documents, context, 99) for context in cut]

    check()


def test_tokens_are_counted_by_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_CHUNK", 3)
    counts = token_counts(flat([[1, 2, 2], [3], [2, 2, 4, 4]], ["en", "zh", "en"]), ["en", "zh"], 6)
    assert counts["en"].tolist() == [0, 1, 4, 0, 2, 0]
    assert counts["zh"].tolist() == [0, 0, 0, 1, 0, 0]


def test_probe_sees_topic_and_not_order() -> None:
    """Documents of words of their own: a foreign second half is told by its words, a swapped one is not."""
    generator = np.random.default_rng(0)
    documents = [(5 + 10 * (index % 8) + generator.integers(0, 10, 120)).tolist() for index in range(60)]
    tokens = np.asarray(documents, np.int32).reshape(-1)
    split = EncodedSplit(
        MappedColumn([tokens]),
        MappedColumn([np.zeros_like(tokens)]),
        np.arange(0, len(tokens) + 1, 6),
        np.arange(0, 60 * 20 + 1, 20),
        np.asarray(["en"] * 60),
    )
    accuracy = {}
    for pairs in ("nsp", "sop"):
        probe = PairProbe(split, pairs=pairs, max_tokens=64, vocabulary=100, seed=1)
        sequences = build_sequences(
            split, max_tokens=64, pairs=pairs, short_share=0, generator=np.random.default_rng(5)
        )
        chosen = np.flatnonzero(sequences.labels_N != NO_LABEL)
        accuracy[pairs] = (probe.predict(split, sequences, chosen) == sequences.labels_N[chosen]).mean()
    assert accuracy["nsp"] > 0.85
    assert abs(accuracy["sop"] - 0.5) < 0.12


def test_interval_covers_as_often_as_it_says() -> None:
    """Errors that hang together in clusters of ten: resampled often, the interval holds the truth 19 times in 20."""
    generator = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        clusters = np.repeat(np.arange(80), 10)
        skill = np.repeat(generator.uniform(0.2, 0.8, 80), 10)
        ours, theirs = generator.random(800) < skill + 0.1, generator.random(800) < skill
        found = gain(ours, theirs, clusters)
        covered += found.ci_low <= 0.1 <= found.ci_high
    assert 0.92 < covered / 400 < 0.98


def test_characters_of_tokens(tiny: Tiny) -> None:
    tokenizer = load_tokenizer(tiny.tokenizer)
    characters = token_characters(tokenizer)
    for text in ("nurse", "护士", "the lamp"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert characters[ids].sum() == len(text.replace(" ", ""))
    assert characters[tokenizer.mask_token_id] == 1


@pytest.fixture(scope="module")
def report(pretrained: Path) -> PretrainingReport:
    return PretrainingReport.model_validate(read_json(pretrained / "report.json"))


def test_report_by_language(tiny: Tiny, report: PretrainingReport) -> None:
    split, vocabulary = load_split(tiny.encoded, "dev"), VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    assert set(report.metrics) == {"all", "en", "zh"}
    for language in ("en", "zh"):
        metrics, part = report.metrics[language], split.in_language(language)
        words = sum(
            len(set(part.words_T[np.arange(*part.sentence_offsets[place : place + 2])].tolist()))
            for place in range(len(part.sentence_offsets) - 1)
        )
        assert metrics.tokens_per_word == pytest.approx(len(part.tokens_T) / words, abs=1e-6)
        assert metrics.unknown_share == float((part.tokens_T.parts[0] == vocabulary.unknown).mean())
        assert metrics.gain_over_ngram.value == pytest.approx(metrics.accuracy - metrics.ngram_accuracy, abs=2e-6)
        assert metrics.gain_over_ngram.ci_low < metrics.gain_over_ngram.value < metrics.gain_over_ngram.ci_high
        assert metrics.bits_per_character > 0


def test_page_shows_every_language_and_what_falls_short(pretrained: Path, report: PretrainingReport) -> None:
    page = (pretrained / "quality.html").read_text(encoding="utf-8")
    assert page == quality_page(report)
    assert outside_references(page) == []
    for name in ("all", "en", "zh"):
        assert page.count(f"<td>{name}</td>") == 3
    assert page.count('class="no"') >= 3  # twelve steps beat no five-gram


@pytest.mark.soak
def test_beats_unigrams_five_grams_and_chance(tiny: Tiny, tmp_path: Path) -> None:
    """METHODS 5 bar (c) on a small world: the whole interval lies above each baseline, in both languages together."""
    shape = {"layout": "modern", "layers": 2, "hidden": 64, "heads": 2, "intermediate": 128, "max_tokens": 64,
             "local_window": 4, "global_every_layers": 2}  # fmt: skip
    config = tiny_pretraining(
        architecture=shape, max_steps=None, epochs=120, learning_rate=5e-3, tokens_per_batch=512, nsp_weight=0.2
    )
    (tmp_path / "out").mkdir()
    pretrain(tiny.encoded, tiny.tokenizer, config, out_dir=tmp_path / "out", work_dir=tmp_path / "work")
    metrics = PretrainingReport.model_validate(read_json(tmp_path / "out" / "report.json")).metrics["all"]
    assert metrics.gain_over_unigram.ci_low > 0
    assert metrics.gain_over_ngram.ci_low > 0
    assert metrics.pair_accuracy_ci is not None
    assert metrics.pair_accuracy_ci[0] > 0.5
