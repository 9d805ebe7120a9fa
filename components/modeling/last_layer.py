"""The last layer of an encoder, computed where somebody looks at it and nowhere else.

Masked words are guessed at one token in three to seven, and pairs at one a sequence. All that the last layer has to
give elsewhere is its keys and values: queries, the layer's output and its feed-forward part at the other tokens reach
no loss. Leaving them out changes neither losses nor gradients, and spares ten twelfths of the layer at these tokens.

The layer keeps its class and its weights; its ``forward`` takes ``places_N`` as a keyword, which the models of
``transformers`` hand down to their layers. Letters: B rows, T tokens, D width, H heads, N places, Q places of a row at
most.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import nn

from components.modeling.config import Layout


def look_where_asked(model: Any, layout: Layout) -> None:
    """Let the last layer of a model take ``places_N``, flat places (row * T + token), and give [1, N, D] for them."""
    layer = last_layer(model, layout)
    if layer is not None:
        layer.forward = MethodType(_bert_layer if layout == "bert" else _modern_layer, layer)


def look_everywhere(model: Any, layout: Layout) -> None:
    """Undo it."""
    layer = last_layer(model, layout)
    if layer is not None:
        layer.__dict__.pop("forward", None)


def last_layer(model: Any, layout: Layout) -> Any:
    """The layer that can be asked; None for a decoder, which is looked at everywhere."""
    if layout == "llama":
        return None
    return (model.base_model.encoder.layer if layout == "bert" else model.base_model.layers)[-1]


def weights_where_asked(model: Any, layout: Layout) -> int:
    """Weights of the last layer that count at the places alone: all but those of keys and values."""
    layer = last_layer(model, layout)
    if layer is None:
        return 0
    weights = sum(parameter.numel() for parameter in layer.parameters() if parameter.ndim == 2)
    return int(weights - 2 * model.config.hidden_size**2)


def _bert_layer(
    layer: Any,
    hidden_BTD: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    *arguments: Any,
    places_N: torch.Tensor | None = None,
    **others: Any,
) -> torch.Tensor:
    """``BertLayer.forward`` at places."""
    if places_N is None:
        everywhere_BTD: torch.Tensor = type(layer).forward(layer, hidden_BTD, attention_mask, *arguments, **others)
        return everywhere_BTD
    asking = layer.attention.self
    chosen_ND = hidden_BTD.flatten(0, 1).index_select(0, places_N)
    places = _Places.of(places_N, hidden_BTD)
    heads = asking.num_attention_heads
    context_ND = places.take(
        nn.functional.scaled_dot_product_attention(
            _heads(places.spread(asking.query(chosen_ND)), heads),
            _heads(asking.key(hidden_BTD), heads),
            _heads(asking.value(hidden_BTD), heads),
            attn_mask=places.mask(attention_mask),
            dropout_p=asking.dropout.p if layer.training else 0.0,
        )
    )
    attended_1ND = layer.attention.output(context_ND[None], chosen_ND[None])
    out_1ND: torch.Tensor = layer.feed_forward_chunk(attended_1ND)
    return out_1ND


def _modern_layer(
    layer: Any,
    hidden_BTD: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
    *,
    places_N: torch.Tensor | None = None,
    **others: Any,
) -> torch.Tensor:
    """``ModernBertEncoderLayer.forward`` at places."""
    if places_N is None or position_embeddings is None:
        rest = {"position_embeddings": position_embeddings, **others}
        everywhere_BTD: torch.Tensor = type(layer).forward(layer, hidden_BTD, attention_mask, **rest)
        return everywhere_BTD
    attention, width = layer.attn, hidden_BTD.shape[-1]
    heads = width // attention.head_dim
    places = _Places.of(places_N, hidden_BTD)
    normed_BTD = layer.attn_norm(hidden_BTD)
    weight, bias = attention.Wqkv.weight, attention.Wqkv.bias
    query_ND = nn.functional.linear(
        normed_BTD.flatten(0, 1).index_select(0, places_N), weight[:width], None if bias is None else bias[:width]
    )
    known_BT2D = nn.functional.linear(normed_BTD, weight[width:], None if bias is None else bias[width:])
    key_BTD, value_BTD = known_BT2D.chunk(2, dim=-1)
    cosines, sines = position_embeddings
    context_ND = places.take(
        nn.functional.scaled_dot_product_attention(
            _turned(_heads(places.spread(query_ND), heads), places.at(cosines), places.at(sines)),
            _turned(_heads(key_BTD, heads), cosines, sines),
            _heads(value_BTD, heads),
            attn_mask=places.mask(attention_mask),
            dropout_p=attention.attention_dropout if layer.training else 0.0,
        )
    )
    attended_ND = hidden_BTD.flatten(0, 1).index_select(0, places_N) + attention.out_drop(attention.Wo(context_ND))
    out_ND: torch.Tensor = attended_ND + layer.mlp(layer.mlp_norm(attended_ND))
    return out_ND[None]


@dataclass(frozen=True)
class _Places:
    """Places by row: the attention wants as many queries in every row, so that rows with fewer get idle ones.

    An idle query asks for the row's first token, which sees itself at least: softmax over nothing would be NaN.
    """

    slots_N: torch.Tensor  # row * Q + number in the row
    tokens_BQ: torch.Tensor

    @classmethod
    def of(cls, places_N: torch.Tensor, hidden_BTD: torch.Tensor) -> _Places:
        rows, width = hidden_BTD.shape[:2]
        row_N = places_N // width
        count_B = torch.bincount(row_N, minlength=rows)
        order_N = torch.argsort(row_N, stable=True)
        before_N = (count_B.cumsum(0) - count_B)[row_N]
        number_N = torch.empty_like(order_N)
        number_N[order_N] = torch.arange(len(order_N), device=order_N.device)
        most = max(1, int(count_B.max()))
        slots_N = row_N * most + number_N - before_N
        tokens = torch.zeros(rows * most, dtype=places_N.dtype, device=places_N.device)
        return cls(slots_N, tokens.index_copy(0, slots_N, places_N % width).view(rows, most))

    def spread(self, values_ND: torch.Tensor) -> torch.Tensor:
        """[B, Q, D] with zeros where a query is idle."""
        shape = (*self.tokens_BQ.shape, values_ND.shape[-1])
        flat = values_ND.new_zeros(self.tokens_BQ.numel(), values_ND.shape[-1])
        return flat.index_copy(0, self.slots_N, values_ND).view(shape)

    def take(self, values_BHQd: torch.Tensor) -> torch.Tensor:
        """[N, D] of what the queries got, heads side by side."""
        return values_BHQd.transpose(1, 2).flatten(2).flatten(0, 1).index_select(0, self.slots_N)

    def at(self, values_BTd: torch.Tensor) -> torch.Tensor:
        """What belongs to the queries' tokens, [B, Q, d], from what belongs to all (B may be 1)."""
        rows = torch.arange(len(self.tokens_BQ), device=self.tokens_BQ.device)[:, None]
        return values_BTd.expand(len(self.tokens_BQ), -1, -1)[rows, self.tokens_BQ]

    def mask(self, mask_B1TT: torch.Tensor | None) -> torch.Tensor | None:
        """Who sees whom, [B, 1, Q, T]."""
        if mask_B1TT is None:
            return None
        keys = mask_B1TT.shape[-1]
        return self.at(mask_B1TT[:, 0].expand(-1, keys, keys))[:, None]


def _heads(values_BTD: torch.Tensor, heads: int) -> torch.Tensor:
    """[B, H, T, D / H]."""
    return values_BTD.view(*values_BTD.shape[:2], heads, -1).transpose(1, 2)


def _turned(values_BHTd: torch.Tensor, cosines_BTd: torch.Tensor, sines_BTd: torch.Tensor) -> torch.Tensor:
    """Rotary positions, each number with the one half a head further (https://arxiv.org/abs/2104.09864)."""
    first, second = values_BHTd.float().chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return (values_BHTd.float() * cosines_BTd[:, None] + turned * sines_BTd[:, None]).to(values_BHTd.dtype)
