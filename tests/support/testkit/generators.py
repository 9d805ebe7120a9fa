"""A generator that writes at random, and tokenizers that can spell a few phrases in many ways."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutput

_PIECES = (
    *"kilyoubad ", "ki", "ll", "kill", "you", " you", "your", "ill y", "KILL", "Kill you", "ba", "ad", "bad", "bade",
    "-", ".", "\n", "杀", "了", "你", "杀了", "了你", "殺", "，", "Ｋ", "\u200b", "é", "kil", "l yo", "x", " b",
)  # fmt: skip


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """Pieces of phrases and all single bytes, byte-level."""
    stand_ins = _stand_ins()
    words = [*stand_ins, *("".join(stand_ins[byte] for byte in piece.encode()) for piece in _PIECES)]
    return _wrap(words, decoders.ByteLevel())


def word_piece_tokenizer() -> PreTrainedTokenizerFast:
    """The same pieces as WordPiece words and continuations."""
    pieces = [piece for piece in _PIECES if piece.strip()]
    return _wrap([*pieces, *(f"##{piece}" for piece in pieces)], decoders.WordPiece(cleanup=False))


def _stand_ins() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return [ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(chr(b))[0][0] for b in range(128)] + [
        character for character in sorted(ByteLevel.alphabet()) if ord(character) >= 0xA1
    ][:128]


def _wrap(words: list[str], decoder: Any) -> PreTrainedTokenizerFast:
    special = ["<s>", "</s>", "<unk>"]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys([*special, *words]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.decoder = decoder
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


class _RandomConfig(PretrainedConfig):
    model_type = "random_logits"


class RandomLogits(PreTrainedModel, GenerationMixin):
    """Logits drawn anew at every step; the end of the text is unlikely."""

    config_class = _RandomConfig

    def __init__(self, vocabulary: int, *, end: int, seed: int) -> None:
        super().__init__(_RandomConfig(vocab_size=vocabulary, is_decoder=True))
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self._draw = torch.Generator().manual_seed(seed)
        self.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=end, use_cache=False)
        self._end = end

    def forward(self, input_ids: torch.Tensor, **_: Any) -> CausalLMOutput:
        """Logits [B, T, V]."""
        shape = (len(input_ids), 1, self.config.vocab_size)
        logits = 2 * torch.randn(shape, generator=self._draw)
        logits[..., self._end] = -6.0
        return CausalLMOutput(logits=logits.expand(-1, input_ids.shape[1], -1))
