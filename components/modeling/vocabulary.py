"""The token ids that pretraining needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ContractError


@dataclass(frozen=True)
class VocabularyIds:
    """The ids that batches need, and the real ids that random replacement draws from.

    ``cls`` and ``sep`` begin and end a sequence; a decoder's tokenizer calls them bos and eos.
    """

    pad: int
    cls: int
    sep: int
    mask: int | None
    special: tuple[int, ...]
    size: int
    unknown: int | None = None

    @staticmethod
    def of(tokenizer: Any) -> VocabularyIds:
        """Read them from a Hugging Face tokenizer. Raises ContractError if sequences have no begin or end."""
        begin = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
        end = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
        if begin is None or end is None:
            raise ContractError("the tokenizer names no begin (cls or bos) or no end (sep or eos) token; name them")
        return VocabularyIds(
            pad=end if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
            cls=begin,
            sep=end,
            mask=tokenizer.mask_token_id,
            special=tuple(sorted(tokenizer.all_special_ids)),
            size=len(tokenizer),
            unknown=tokenizer.unk_token_id,
        )

    def real(self) -> NDArray[np.int64]:
        """Every id that is no special token."""
        return np.setdiff1d(np.arange(self.size, dtype=np.int64), np.asarray(self.special))


def token_characters(tokenizer: Any) -> NDArray[np.int64]:
    """Characters of text that each token stands for, [V]; 1 for special tokens, [UNK] among them."""
    special = set(tokenizer.all_special_ids)
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    lengths = [
        1 if index in special else len(piece[2:] if piece.startswith("##") else tokenizer.decode([index]).strip())
        for index, piece in enumerate(pieces)
    ]
    return np.maximum(1, np.asarray(lengths, dtype=np.int64))
