"""What a pretrained model can do on dev, beside what one gets without a network (``baselines.py``).

Masks cover 15 % under a seed that is not the training's, so that runs with other masking shares compare. Each
language is evaluated by itself (a random B then is of the same language) and ``all`` pools them. Intervals are 95 %,
of paired differences whose errors hang together inside a sequence. Letters: T tokens, P targets, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from components.core.intervals import wilson_interval
from components.modeling.baselines import guess_by_ngrams, token_counts
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import EncodedSplit
from components.modeling.dev_answers import Answers, ask
from components.modeling.networks import PretrainingNetwork
from components.modeling.pretraining_metrics import Gain, PretrainingMetrics
from components.modeling.vocabulary import VocabularyIds

IntArray = NDArray[np.int64]

_Z = NormalDist().inv_cdf(0.975)


@dataclass
class _Scores:
    """The same with the answers of the baselines; ``sequences`` numbers those of all batches apart."""

    right: NDArray[np.bool_]
    unigram: NDArray[np.bool_]
    ngram: NDArray[np.bool_]
    sequences: IntArray
    pair_right: NDArray[np.bool_]
    probe_right: NDArray[np.bool_]
    loss: float
    characters: int
    tokens: int
    words: int
    unknown: int


def evaluate_pretraining(
    network: PretrainingNetwork,
    train: EncodedSplit,
    dev: EncodedSplit,
    vocabulary: VocabularyIds,
    config: PretrainingConfig,
    *,
    characters_V: IntArray,
) -> dict[str, PretrainingMetrics]:
    """Metrics by language and for ``all``; ``config.evaluation_tokens`` are shared out among languages.

    Args:
        network: In evaluation mode.
        train: What the baselines learn from.
        dev: What is asked about.
        vocabulary: The tokenizer's ids.
        config: Of the training.
        characters_V: Characters of text that each token stands for.
    """
    languages = sorted(set(dev.languages_D.tolist()))
    counts = token_counts(train, languages, vocabulary.size)
    scores: dict[str, _Scores] = {}
    for language in languages:
        part = dev.in_language(language)
        answers = ask(network, part, vocabulary, config, languages=len(languages), train=train)
        counts[language][list(vocabulary.special)] = 0
        common = int(counts[language].argmax())
        guesses_P = guess_by_ngrams(train, np.concatenate(answers.contexts_PK), np.full(answers.count, common))
        scores[language] = _scored(answers, part, vocabulary, characters_V, unigram=common, ngrams_P=guesses_P)
    return {name: _metrics(part) for name, part in {"all": _pooled(list(scores.values())), **scores}.items()}


def heldout_loss(
    network: PretrainingNetwork, dev: EncodedSplit, vocabulary: VocabularyIds, config: PretrainingConfig
) -> float:
    """Nats a target over all languages of dev, as ``evaluate_pretraining`` counts them."""
    languages = sorted(set(dev.languages_D.tolist()))
    parts = [ask(network, dev.in_language(name), vocabulary, config, languages=len(languages)) for name in languages]
    return sum(part.loss for part in parts) / max(1, sum(part.count for part in parts))


def _scored(
    answers: Answers,
    dev: EncodedSplit,
    vocabulary: VocabularyIds,
    characters_V: IntArray,
    *,
    unigram: int,
    ngrams_P: IntArray,
) -> _Scores:
    """Beside the baselines' answers to the same questions."""
    targets_P = _joined(answers.targets)
    tokens_T = dev.tokens_T.parts[0]
    first_T = np.ones(len(tokens_T), bool)
    places_T = np.arange(len(tokens_T))
    first_T[1:] = np.diff(dev.words(places_T)) != 0
    starts = np.cumsum([0, *(int(part.max(initial=-1)) + 1 for part in answers.sequences)])
    return _Scores(
        right=_joined(answers.right).astype(bool),
        unigram=targets_P == unigram,
        ngram=targets_P == ngrams_P,
        sequences=np.concatenate([part + start for part, start in zip(answers.sequences, starts[:-1], strict=True)]),
        pair_right=_joined(answers.pair_right).astype(bool),
        probe_right=_joined(answers.probe_right).astype(bool),
        loss=answers.loss,
        characters=int(characters_V[targets_P].sum()),
        tokens=len(tokens_T),
        words=int(first_T.sum()),
        unknown=0 if vocabulary.unknown is None else int((tokens_T == vocabulary.unknown).sum()),
    )


def _joined(parts: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _pooled(parts: Sequence[_Scores]) -> _Scores:
    def numbered() -> Iterator[IntArray]:
        start = 0
        for part in parts:
            yield part.sequences + start
            start += int(part.sequences.max(initial=-1)) + 1

    return _Scores(
        right=np.concatenate([part.right for part in parts]),
        unigram=np.concatenate([part.unigram for part in parts]),
        ngram=np.concatenate([part.ngram for part in parts]),
        sequences=np.concatenate(list(numbered())),
        pair_right=np.concatenate([part.pair_right for part in parts]),
        probe_right=np.concatenate([part.probe_right for part in parts]),
        loss=sum(part.loss for part in parts),
        characters=sum(part.characters for part in parts),
        tokens=sum(part.tokens for part in parts),
        words=sum(part.words for part in parts),
        unknown=sum(part.unknown for part in parts),
    )


def _metrics(scores: _Scores) -> PretrainingMetrics:
    targets, pairs = len(scores.right), len(scores.pair_right)
    probed = pairs > 0 and len(scores.probe_right) == pairs
    low, high = wilson_interval(int(scores.pair_right.sum()), pairs)
    return PretrainingMetrics(
        targets=targets,
        pairs=pairs,
        loss=round(scores.loss / max(1, targets), 6),
        bits_per_character=round(scores.loss / math.log(2) / max(1, scores.characters), 6),
        accuracy=_share(scores.right),
        unigram_accuracy=_share(scores.unigram),
        ngram_accuracy=_share(scores.ngram),
        gain_over_unigram=gain(scores.right, scores.unigram, scores.sequences),
        gain_over_ngram=gain(scores.right, scores.ngram, scores.sequences),
        pair_accuracy=_share(scores.pair_right) if pairs else None,
        pair_accuracy_ci=(round(low, 6), round(high, 6)) if pairs else None,
        probe_accuracy=_share(scores.probe_right) if probed else None,
        gain_over_probe=gain(scores.pair_right, scores.probe_right, np.arange(pairs)) if probed else None,
        tokens_per_word=round(scores.tokens / max(1, scores.words), 6),
        unknown_share=round(scores.unknown / max(1, scores.tokens), 6),
    )


def _share(right: NDArray[np.bool_]) -> float:
    return round(float(right.mean()), 6) if len(right) else 0.0


def gain(ours_P: NDArray[np.bool_], theirs_P: NDArray[np.bool_], clusters_P: IntArray) -> Gain:
    """The difference of two shares right, with an interval whose unit of chance is the cluster, not the item.

    The ratio estimator of cluster samples (Cochran, Sampling Techniques, 3rd edition, section 3.12).
    """
    n = len(ours_P)
    if n == 0:
        return Gain(value=0.0, ci_low=-1.0, ci_high=1.0)
    difference_P = ours_P.astype(np.float64) - theirs_P
    mean = float(difference_P.mean())
    residual = np.bincount(clusters_P, weights=difference_P - mean)
    count = max(2, len(np.unique(clusters_P)))
    half = _Z * math.sqrt(float((residual**2).sum()) * count / (count - 1)) / n
    return Gain(value=round(mean, 6), ci_low=round(mean - half, 6), ci_high=round(mean + half, 6))
