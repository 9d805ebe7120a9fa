"""Batched scores equal the plain library, one row at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from testkit.tiny_models import Tiny

from components.core.errors import ContractError
from components.modeling.inference import MaskedLanguageModel, TextClassifier

TEXTS = ["The nurse bought a lamp. I love it.", "护士购买了台灯。", "It broke", "[PERSON] repaired the kettle."]


@pytest.fixture(scope="module")
def model(pretrained: Path) -> MaskedLanguageModel:
    return MaskedLanguageModel(pretrained, batch_tokens=24)


def test_masked_log_probabilities_against_one_row_at_a_time(model: MaskedLanguageModel, pretrained: Path) -> None:
    from transformers import AutoModelForPreTraining

    plain = AutoModelForPreTraining.from_pretrained(pretrained).eval()
    rows = model.encode(TEXTS)
    positions = [[1, 3], [2], [], list(range(1, len(rows[3]) - 1))]
    scores = model.masked_log_probabilities(rows, positions)
    distributions = model.masked_distributions(rows, positions)
    for row, masked, score, distribution in zip(rows, positions, scores, distributions, strict=True):
        ids = torch.tensor([row])
        ids[0, masked] = model.tokenizer.mask_token_id
        with torch.no_grad():
            full = torch.log_softmax(plain(ids).prediction_logits[0], -1).numpy()
        expected = [full[position, row[position]] for position in masked]
        assert np.allclose(score, expected, atol=1e-5)
        assert np.allclose(distribution, full[masked].reshape(-1, full.shape[1]), atol=1e-5)


def test_rows_are_not_changed(model: MaskedLanguageModel) -> None:
    rows = model.encode(TEXTS)
    before = [list(row) for row in rows]
    model.masked_log_probabilities(rows, [[1]] * len(rows))
    assert rows == before


def test_next_sentence_logits_against_one_pair_at_a_time(model: MaskedLanguageModel, pretrained: Path) -> None:
    from transformers import AutoModelForPreTraining

    plain = AutoModelForPreTraining.from_pretrained(pretrained).eval()
    pairs = [(TEXTS[0], TEXTS[2]), (TEXTS[1], TEXTS[1]), ("", TEXTS[3])]
    logits = model.next_sentence_logits(pairs)
    for pair, row in zip(pairs, logits, strict=True):
        with torch.no_grad():
            expected = plain(**model.tokenizer(*pair, return_tensors="pt")).seq_relationship_logits[0]
        assert np.allclose(row, expected.numpy(), atol=1e-5)


def test_embeddings_do_not_depend_on_the_batch(model: MaskedLanguageModel) -> None:
    together = model.embed(TEXTS)
    alone = np.concatenate([model.embed([text]) for text in TEXTS])
    assert np.allclose(together, alone, atol=1e-5)
    assert model.embed([]).shape == (0, 32)


@pytest.mark.parametrize(
    ("rows", "positions", "words"),
    [([[2, 5, 3]], [[3]], "outside"), ([[2, 5, 3]], [], "one list a row"), ([[5] * 65], [[0]], "65 tokens")],
)
def test_wrong_input_is_refused(
    model: MaskedLanguageModel, rows: list[list[int]], positions: list[list[int]], words: str
) -> None:
    with pytest.raises(ContractError, match=words):
        model.masked_log_probabilities(rows, positions)


def test_a_language_model_is_no_classifier(pretrained: Path) -> None:
    with pytest.raises(ContractError, match="classifier"):
        TextClassifier(pretrained)


def test_pickled_weights_are_refused(pretrained: Path, tmp_path: Path, tiny: Tiny) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((pretrained / name).read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"not opened")
    with pytest.raises(ContractError, match="safetensors"):
        MaskedLanguageModel(tmp_path)
    with pytest.raises(ContractError, match=r"config\.json"):
        MaskedLanguageModel(tiny.tokenizer)
