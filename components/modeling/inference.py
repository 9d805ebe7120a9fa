"""Batched inference on the CPU or a GPU: class probabilities, masked-token log probabilities, next-sentence logits.

In: a Hugging Face folder with its tokenizer. Out: numpy arrays in the order of the input. fp32 throughout, so that
scores do not depend on the machine's half precision; rows of like length go together and logits are computed at the
positions asked for alone. Letters: N rows, B batch, T tokens, D width, V vocabulary, L labels, P masked positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components.core.errors import ContractError
from components.core.jsonfiles import read_json
from components.modeling.batching import length_buckets, pad_rows
from components.modeling.loading import architectures, load_model, load_tokenizer
from components.modeling.networks import PAIR_OBJECTIVE, open_pair_head, vocabulary_head

FloatArray = NDArray[np.float64]

_GENERATORS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
CALIBRATION_FILE = "calibration.json"
_BATCH_TOKENS = 8192
_LOGITS_PER_CHUNK = 1 << 24  # 64 MB of fp32 logits at a time


class TextClassifier:
    """A fine-tuned sequence classifier with its calibration.

    Attributes:
        labels: Class names in the order of the probability columns.
        temperature: Divides the logits; 1 where the folder has no calibration.
        max_tokens: Longer texts are cut here, special tokens included.
    """

    def __init__(self, model_dir: Path, *, batch_tokens: int = _BATCH_TOKENS) -> None:
        """Open a folder. Raises ContractError if it holds no classifier."""
        from transformers import AutoModelForSequenceClassification

        self.model: Any = load_model(AutoModelForSequenceClassification, Path(model_dir))
        self.tokenizer: Any = load_tokenizer(Path(model_dir))
        self.max_tokens = _max_tokens(self.model, self.tokenizer)
        names = self.model.config.id2label
        self.labels: tuple[str, ...] = tuple(str(names[index]) for index in range(len(names)))
        calibration = Path(model_dir) / CALIBRATION_FILE
        self.temperature = float(read_json(calibration)["temperature"]) if calibration.is_file() else 1.0
        self._batch_tokens = batch_tokens

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """Uncalibrated logits, [N, L]."""
        rows = _encode(self.tokenizer, texts, self.max_tokens)
        out_NL = np.zeros((len(rows), len(self.labels)))
        with torch.inference_mode():
            for index_B, inputs in _batches(rows, None, self.tokenizer.pad_token_id, self._batch_tokens, self.model):
                out_NL[index_B] = self.model(**inputs).logits.double().cpu().numpy()
        return out_NL

    def predict(self, texts: Sequence[str]) -> FloatArray:
        """Calibrated probabilities, [N, L], rows sum to 1."""
        scaled_NL = self.logits(texts) / self.temperature
        scaled_NL -= scaled_NL.max(axis=1, keepdims=True, initial=-np.inf)
        exponentials_NL = np.exp(scaled_NL)
        return np.asarray(exponentials_NL / exponentials_NL.sum(axis=1, keepdims=True))


class MaskedLanguageModel:
    """A masked language model, with its next-sentence head where the checkpoint has one.

    Attributes:
        tokenizer: The folder's tokenizer.
        max_tokens: Positions, special tokens included.
        has_next_sentence_head: Whether ``next_sentence_logits`` works.
    """

    def __init__(self, model_dir: Path, *, batch_tokens: int = _BATCH_TOKENS) -> None:
        """Open a folder. Raises ContractError if it holds no masked-language-model head."""
        from transformers import AutoModelForMaskedLM, AutoModelForPreTraining

        names = architectures(Path(model_dir))
        if any(name.endswith(_GENERATORS) for name in names):
            raise ContractError(
                f"{model_dir}: {', '.join(names)} generates from left to right; this needs a masked language model "
                "(pretraining.objective mlm, mlm+nsp or mlm+sop)"
            )
        whole = "BertForPreTraining" in names
        self.model: Any = load_model(AutoModelForPreTraining if whole else AutoModelForMaskedLM, Path(model_dir))
        self._pair_head = open_pair_head(Path(model_dir))
        trained = getattr(self.model.config, PAIR_OBJECTIVE, "nsp")  # BERT's own checkpoints do not say
        self.has_next_sentence_head = trained == "nsp" and (whole or self._pair_head is not None)
        self.tokenizer: Any = load_tokenizer(Path(model_dir))
        if self.tokenizer.mask_token_id is None:
            raise ContractError(f"{model_dir}: the tokenizer has no mask token; give a masked language model")
        self.max_tokens = _max_tokens(self.model, self.tokenizer)
        self._head = vocabulary_head(self.model)
        self._batch_tokens = batch_tokens

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens, cut at ``max_tokens``."""
        return _encode(self.tokenizer, texts, self.max_tokens)

    def masked_log_probabilities(
        self, token_id_rows: Sequence[Sequence[int]], masked_positions: Sequence[Sequence[int]]
    ) -> list[FloatArray]:
        """Log probability (nats) of the true tokens where they are masked together.

        Args:
            token_id_rows: Token ids with special tokens, a list a row, at most ``max_tokens`` each.
            masked_positions: For each row the positions replaced by [MASK], all at once.

        Returns:
            For each row a float64 [P], in the order of its positions; empty where it has none.
        """
        results: list[FloatArray] = [np.zeros(0)] * len(token_id_rows)

        def keep(row: int, log_probabilities_PV: torch.Tensor) -> None:
            true_P = torch.tensor([token_id_rows[row][position] for position in masked_positions[row]])
            picked_P = log_probabilities_PV.gather(1, true_P.to(log_probabilities_PV.device)[:, None])[:, 0]
            results[row] = picked_P.double().cpu().numpy()

        self._at_masks(token_id_rows, masked_positions, keep)
        return results

    def masked_distributions(
        self, token_id_rows: Sequence[Sequence[int]], masked_positions: Sequence[Sequence[int]]
    ) -> list[NDArray[np.float32]]:
        """Log probabilities of the whole vocabulary where tokens are masked together: for each row [P, V]."""
        vocabulary = int(self.model.config.vocab_size)
        results: list[NDArray[np.float32]] = [np.zeros((0, vocabulary), np.float32)] * len(token_id_rows)

        def keep(row: int, log_probabilities_PV: torch.Tensor) -> None:
            results[row] = log_probabilities_PV.cpu().numpy().copy()

        self._at_masks(token_id_rows, masked_positions, keep)
        return results

    def next_sentence_logits(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Logits [N, 2] of (second text follows the first, it does not): column 0 is "is next", as in Hugging Face."""
        if not self.has_next_sentence_head:
            raise ContractError("this checkpoint has no next-sentence head; pretrain with objective mlm+nsp")
        first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        encoded = self.tokenizer(first, second, truncation=True, max_length=self.max_tokens) if pairs else {}
        rows, types = encoded.get("input_ids", []), encoded.get("token_type_ids")
        out_N2 = np.zeros((len(pairs), 2))
        with torch.inference_mode():
            for index_B, inputs in _batches(rows, types, self.tokenizer.pad_token_id, self._batch_tokens, self.model):
                out_N2[index_B] = self._pair_logits(self.model.base_model(**inputs)).double().cpu().numpy()
        return out_N2

    def _pair_logits(self, outputs: Any) -> torch.Tensor:
        if self._pair_head is not None:
            logits_B2: torch.Tensor = self._pair_head(outputs.last_hidden_state[:, 0])
        else:
            logits_B2 = self.model.cls.seq_relationship(outputs.pooler_output)
        return logits_B2

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Mean of the last layer over real tokens, special tokens included: [N, D]."""
        rows = self.encode(texts)
        out_ND = np.zeros((len(rows), int(self.model.config.hidden_size)))
        with torch.inference_mode():
            for index_B, inputs in _batches(rows, None, self.tokenizer.pad_token_id, self._batch_tokens, self.model):
                hidden_BTD = self.model.base_model(**inputs).last_hidden_state
                weight_BT1 = inputs["attention_mask"][:, :, None].to(hidden_BTD.dtype)
                mean_BD = (hidden_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)
                out_ND[index_B] = mean_BD.double().cpu().numpy()
        return out_ND

    def _at_masks(
        self,
        token_id_rows: Sequence[Sequence[int]],
        masked_positions: Sequence[Sequence[int]],
        keep: Callable[[int, torch.Tensor], None],
    ) -> None:
        """Call ``keep(row, log_probabilities_PV)`` for every row with at least one masked position."""
        _check_rows(token_id_rows, masked_positions, self.max_tokens)
        used = [index for index, positions in enumerate(masked_positions) if len(positions)]
        rows = [list(token_id_rows[index]) for index in used]
        for row, index in zip(rows, used, strict=True):
            for position in masked_positions[index]:
                row[position] = self.tokenizer.mask_token_id
        positions_a_chunk = max(1, _LOGITS_PER_CHUNK // int(self.model.config.vocab_size))
        with torch.inference_mode():
            for index_B, inputs in _batches(rows, None, self.tokenizer.pad_token_id, self._batch_tokens, self.model):
                hidden_BTD = self.model.base_model(**inputs).last_hidden_state
                for chunk in _chunks(index_B, [len(masked_positions[used[i]]) for i in index_B], positions_a_chunk):
                    counts = [len(masked_positions[used[index_B[b]]]) for b in chunk]
                    rows_P = np.repeat(chunk, counts)
                    positions_P = np.concatenate([np.asarray(masked_positions[used[index_B[b]]]) for b in chunk])
                    selected_PD = hidden_BTD[torch.from_numpy(rows_P), torch.from_numpy(positions_P)]
                    log_probabilities_PV = torch.log_softmax(self._head(selected_PD).float(), dim=-1)
                    ends = np.cumsum(counts)
                    for b, start, end in zip(chunk, ends - counts, ends, strict=True):
                        keep(used[index_B[b]], log_probabilities_PV[start:end])


def _encode(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    if not len(texts):
        return []
    encoded = tokenizer(list(texts), truncation=True, max_length=max_tokens, return_attention_mask=False)
    return list(encoded["input_ids"])


def _batches(
    rows: Sequence[Sequence[int]],
    types: Sequence[Sequence[int]] | None,
    pad_id: int,
    batch_tokens: int,
    model: Any,
) -> Iterator[tuple[NDArray[np.int64], dict[str, torch.Tensor]]]:
    """Row indices and model inputs of each length-bucketed batch."""
    for index_B in length_buckets([len(row) for row in rows], max_batch_tokens=batch_tokens):
        ids_BT, mask_BT = pad_rows([rows[index] for index in index_B], value=pad_id)
        arrays = {"input_ids": ids_BT, "attention_mask": mask_BT}
        if types is not None:
            arrays["token_type_ids"] = pad_rows([types[index] for index in index_B], value=0)[0]
        yield index_B, {name: torch.from_numpy(array).to(model.device) for name, array in arrays.items()}


def _chunks(index_B: NDArray[np.int64], counts: list[int], limit: int) -> Iterator[list[int]]:
    """Neighbouring rows of a batch, whose masked positions number at most ``limit`` together (or one row)."""
    chunk: list[int] = []
    size = 0
    for b in range(len(index_B)):
        if chunk and size + counts[b] > limit:
            yield chunk
            chunk, size = [], 0
        chunk.append(b)
        size += counts[b]
    if chunk:
        yield chunk


def _max_tokens(model: Any, tokenizer: Any) -> int:
    """Longest input: what the tokenizer says, within the model's positions (RoBERTa keeps two of them back)."""
    positions = int(model.config.max_position_embeddings)
    if model.config.model_type in {"roberta", "xlm-roberta", "camembert"}:
        positions -= 2
    return min(int(tokenizer.model_max_length), positions)


def _check_rows(rows: Sequence[Sequence[int]], positions: Sequence[Sequence[int]], max_tokens: int) -> None:
    if len(rows) != len(positions):
        raise ContractError(f"{len(rows)} rows but {len(positions)} lists of positions; give one list a row")
    for index, (row, masked) in enumerate(zip(rows, positions, strict=True)):
        if len(row) > max_tokens:
            raise ContractError(f"row {index} has {len(row)} tokens, the model takes {max_tokens}; cut it first")
        if any(not 0 <= position < len(row) for position in masked):
            raise ContractError(f"row {index}: a masked position is outside its {len(row)} tokens; count from 0")
