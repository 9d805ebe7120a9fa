"""The networks that pretraining knows: Hugging Face classes by layout, asked the same way.

- ``bert``: ``BertForPreTraining``, or ``BertForMaskedLM`` where no question about pairs is trained;
- ``modern``: ``ModernBertForMaskedLM`` (pre-norm, rotary, gated; https://arxiv.org/abs/2412.13663). It knows no pairs,
  so that their head is ours and lies in a file of its own, which plain ``transformers`` does not look at;
- ``llama``: ``LlamaForCausalLM`` with tied embeddings.

Vocabulary logits are computed where there is a target and nowhere else. Rows may hold several sequences: each then
sees itself alone, through a block-diagonal mask. Letters: B rows, T tokens, D width, V vocabulary, P targets,
S sequences.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from components.core.errors import ContractError
from components.core.jsonfiles import read_json
from components.modeling.config import ArchitectureConfig, Layout, Objective, PretrainingConfig
from components.modeling.last_layer import last_layer, look_everywhere, look_where_asked, weights_where_asked
from components.modeling.loading import architectures, load_model
from components.modeling.performance import Arithmetic
from components.modeling.vocabulary import VocabularyIds
from components.modeling.vocabulary_loss import summed_cross_entropy

PAIR_HEAD_FILE = "pair_head.safetensors"
PAIR_OBJECTIVE = "pair_objective"  # key of config.json: which question the pair head answers

# BERT base draws weights with deviation 0.02 at width 768. Kept at that, attention of a narrow model starts flat and
# needs thousands of steps to leave the unigram plateau; scaling with 1/sqrt(width) keeps the logits' spread.
_REFERENCE_DEVIATION, _REFERENCE_WIDTH = 0.02, 768

_LAYOUTS: dict[str, Layout] = {"bert": "bert", "modernbert": "modern", "llama": "llama"}
_DROPOUTS: dict[Layout, tuple[str, ...]] = {
    "bert": ("hidden_dropout_prob", "attention_probs_dropout_prob"),
    "modern": ("embedding_dropout", "attention_dropout", "mlp_dropout"),
    "llama": ("attention_dropout",),
}


class PairHead(nn.Module):
    """From the first token of a sequence to two logits, through a dense layer and tanh, as BERT's pooler and head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.classifier = nn.Linear(width, 2)

    def forward(self, first_SD: torch.Tensor) -> torch.Tensor:
        """Logits [S, 2]."""
        logits_S2: torch.Tensor = self.classifier(torch.tanh(self.dense(first_SD)))
        return logits_S2


class PretrainingNetwork(nn.Module):
    """A Hugging Face model with its heads.

    Attributes:
        model: What is saved and opened elsewhere.
        pair_head: Ours, where the model has none of its own and pairs are trained.
        pairs: ``nsp``, ``sop`` or None.
    """

    def __init__(self, model: Any, pairs: str | None, pair_head: PairHead | None = None) -> None:
        super().__init__()
        self.model, self.pair_head, self.pairs = model, pair_head, pairs
        self.layout = layout_of(model)
        self.ask_last_layer(True)

    @property
    def max_tokens(self) -> int:
        """Positions that the model has."""
        return int(self.model.config.max_position_embeddings)

    def prepare(self, *, compiled: bool, activation_checkpointing: bool) -> None:
        """How it is computed from now on; names and values of the weights stay."""
        _checkpoint_activations(self.model, activation_checkpointing)
        self.ask_last_layer(not compiled)
        if compiled:
            # The part inside Lightning's module: compiled as a whole, its logging breaks (lightning issue 21836).
            self.model.base_model.compile(dynamic=True)
        else:
            self.model.base_model._compiled_call_impl = None

    def ask_last_layer(self, asked: bool) -> None:
        """Whether the last layer is computed where there is a target alone (``last_layer.py``).

        Not where it is compiled: how many queries a row has is seen only when the batch is here.
        """
        self._asked = asked and last_layer(self.model, self.layout) is not None
        (look_where_asked if asked else look_everywhere)(self.model, self.layout)

    def arithmetic(self) -> Arithmetic:
        """What it computes a token, a target and a pair of tokens."""
        layers = [parameter for name, parameter in self.model.base_model.named_parameters() if _in_layer(name)]
        weights = sum(parameter.numel() for parameter in layers if parameter.ndim == 2)
        shape = self.model.config
        head = shape.vocab_size * shape.hidden_size + (0 if self.layout == "llama" else shape.hidden_size**2)
        seen = 0.5 if self.layout == "llama" else 1.0  # a decoder's tokens see those before them
        width = seen * shape.hidden_size
        asked = weights_where_asked(self.model, self.layout) if self._asked else 0
        pairs_asked = width if asked else 0.0
        return Arithmetic(weights - asked, head + asked, shape.num_hidden_layers * width - pairs_asked, pairs_asked)

    def forward(
        self, batch: dict[str, torch.Tensor], *, summed: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Vocabulary logits [P, V] at the targets, and pair logits [S, 2] where pairs are trained.

        ``summed`` gives, instead of the vocabulary logits, the sum of their cross-entropies in nats, a scalar.
        """
        places_N = batch["positions_P"]
        if self.pairs is not None:
            places_N = torch.cat([places_N, batch["starts_S"]])
        hidden_ND = self._hidden(batch, places_N)
        hidden_PD = hidden_ND[: len(batch["positions_P"])]
        transform, decoder = _parts_of_head(self.model, self.layout)
        if summed:
            words = summed_cross_entropy(transform(hidden_PD), decoder.weight, decoder.bias, batch["targets_P"])
        else:
            words = decoder(transform(hidden_PD))
        if self.pairs is None:
            return words, None
        return words, self._pair_logits(hidden_ND[len(batch["positions_P"]) :])

    def row_logits(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Vocabulary logits [B, K, V] at ``columns_BK``, with nothing that rows share on the way, for private steps."""
        inputs: dict[str, Any] = {"input_ids": batch["input_ids_BT"], "attention_mask": batch["attention_mask_BT"]}
        if self.layout == "bert":  # whose own positions and types would be one row for all
            places_T = torch.arange(inputs["input_ids"].shape[1], device=inputs["input_ids"].device)
            inputs["position_ids"] = places_T.expand_as(inputs["input_ids"]).contiguous()
            inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
        if self.layout == "llama":
            inputs["use_cache"] = False
        hidden_BTD: torch.Tensor = self.model.base_model(**inputs).last_hidden_state
        columns_BKD = batch["columns_BK"][..., None].expand(-1, -1, hidden_BTD.shape[-1])
        logits_BKV: torch.Tensor = vocabulary_head(self.model)(hidden_BTD.gather(1, columns_BKD))
        return logits_BKV

    def _hidden(self, batch: dict[str, torch.Tensor], places_N: torch.Tensor) -> torch.Tensor:
        """The last layer at flat places, [N, D]."""
        inputs: dict[str, Any] = {"input_ids": batch["input_ids_BT"], "attention_mask": batch["attention_mask_BT"]}
        if self.layout == "bert":
            inputs["token_type_ids"] = batch["token_type_ids_BT"]
        if len(batch["starts_S"]) != len(batch["input_ids_BT"]):
            inputs["position_ids"] = batch["position_ids_BT"]
            inputs["attention_mask"] = self._block_mask(batch["blocks_BT"])
        if self.layout == "llama":
            inputs["use_cache"] = False
        if self._asked:
            inputs["places_N"] = places_N
        hidden: torch.Tensor = self.model.base_model(**inputs).last_hidden_state.flatten(0, 1)
        return hidden if self._asked else hidden.index_select(0, places_N)

    def _block_mask(self, blocks_BT: torch.Tensor) -> Any:
        """Who sees whom, bool [B, 1, T, T]; padding is a block of its own, because a row that sees nothing is NaN."""
        same_B1TT = (blocks_BT[:, None, :, None] == blocks_BT[:, None, None, :]).contiguous()
        place_T = torch.arange(blocks_BT.shape[1], device=blocks_BT.device)
        if self.layout == "llama":
            return same_B1TT & (place_T[:, None] >= place_T[None, :])
        if self.layout == "modern":
            near_TT = (place_T[:, None] - place_T[None, :]).abs() <= self.model.config.sliding_window
            return {"full_attention": same_B1TT, "sliding_attention": same_B1TT & near_TT}
        return same_B1TT

    def _pair_logits(self, first_SD: torch.Tensor) -> torch.Tensor:
        if self.pair_head is not None:
            logits_S2: torch.Tensor = self.pair_head(first_SD)
        else:
            logits_S2 = self.model.cls.seq_relationship(self.model.bert.pooler(first_SD[:, None]))
        return logits_S2


def _checkpoint_activations(model: Any, wanted: bool) -> None:
    """Compute layers twice instead of keeping what they gave, or no longer; the library renamed it in 5.23."""
    name = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
    if wanted:
        enable = getattr(model, f"{name}_checkpointing_enable")
        enable(**{f"{name}_checkpointing_kwargs": {"use_reentrant": False}})
    else:
        getattr(model, f"{name}_checkpointing_disable")()


def _in_layer(name: str) -> bool:
    """Whether a parameter belongs to a transformer layer, by its name."""
    return any(part in {"layer", "layers"} for part in name.split("."))


def pairs_of(objective: Objective) -> str | None:
    """``nsp``, ``sop`` or None."""
    return objective.split("+")[1] if "+" in objective else None


def layout_of(model: Any) -> Layout:
    """The layout of a model. Raises ContractError if it is none that pretraining knows."""
    kind = str(model.config.model_type)
    if kind not in _LAYOUTS:
        raise ContractError(f"model type {kind}: pretraining knows {', '.join(_LAYOUTS)}; continue from one of these")
    return _LAYOUTS[kind]


def vocabulary_head(model: Any) -> Any:
    """From hidden states [P, D] to vocabulary logits [P, V], found by the head's usual names."""
    if model.config.model_type == "modernbert":
        return lambda hidden_PD: model.decoder(model.head(hidden_PD))
    head = getattr(model, "cls", None)
    found = getattr(head, "predictions", head) if head is not None else getattr(model, "lm_head", None)
    if found is None:
        raise ContractError(f"{type(model).__name__}: no vocabulary head that is known; use a BERT-style checkpoint")
    return found


def _parts_of_head(model: Any, layout: Layout) -> tuple[Any, Any]:
    """What precedes the linear layer over the vocabulary, and that layer."""
    if layout == "llama":
        return nn.Identity(), model.lm_head
    if layout == "modern":
        return model.head, model.decoder
    return model.cls.predictions.transform, model.cls.predictions.decoder


def make_network(config: PretrainingConfig, vocabulary: VocabularyIds) -> PretrainingNetwork:
    """A network: new under torch's random state, or that of ``config.initial``.

    Raises:
        ContractError: The checkpoint has fewer embeddings than the tokenizer has tokens, or another objective's layout.
    """
    pairs = pairs_of(config.objective)
    if config.initial is not None:
        network = _opened(Path(config.initial), config, pairs)
        if network.model.config.vocab_size < vocabulary.size:
            raise ContractError(
                f"{config.initial}: {network.model.config.vocab_size} token embeddings, the tokenizer has "
                f"{vocabulary.size} tokens; use the checkpoint's own tokenizer"
            )
    else:
        model = _new_model(config.architecture, vocabulary, pairs)
        network = PretrainingNetwork(model, pairs, _new_pair_head(model, pairs))
    if pairs is not None:
        setattr(network.model.config, PAIR_OBJECTIVE, pairs)
    return network


def open_pair_head(folder: Path) -> PairHead | None:
    """The pair head beside a model, or None."""
    from safetensors.torch import load_file

    path = folder / PAIR_HEAD_FILE
    if not path.is_file():
        return None
    weights = load_file(path)
    head = PairHead(weights["dense.weight"].shape[0])
    head.load_state_dict(weights)
    return head.eval()


def _class_of(layout: Layout, pairs: str | None) -> Any:
    import transformers

    if layout == "bert":
        return transformers.BertForMaskedLM if pairs is None else transformers.BertForPreTraining
    return transformers.ModernBertForMaskedLM if layout == "modern" else transformers.LlamaForCausalLM


def _opened(folder: Path, config: PretrainingConfig, pairs: str | None) -> PretrainingNetwork:
    architectures(folder)  # refuses a folder that is no checkpoint
    kind = str(read_json(folder / "config.json").get("model_type"))
    layout = _LAYOUTS.get(kind)
    if layout is None or (layout == "llama") != (config.objective == "clm"):
        wanted = "llama" if config.objective == "clm" else "bert or modernbert"
        raise ContractError(f"{folder}: model type {kind}; objective {config.objective} continues from {wanted}")
    model = load_model(
        _class_of(layout, pairs),
        folder,
        may_lack=("cls.seq_relationship", "bert.pooler"),
        **dict.fromkeys(_DROPOUTS[layout], config.architecture.dropout),
    )
    return PretrainingNetwork(model, pairs, (pairs and open_pair_head(folder)) or _new_pair_head(model, pairs))


def _new_pair_head(model: Any, pairs: str | None) -> PairHead | None:
    if pairs is None or layout_of(model) == "bert":
        return None
    head = PairHead(int(model.config.hidden_size))
    for layer in (head.dense, head.classifier):
        nn.init.normal_(layer.weight, std=float(model.config.initializer_range))
        nn.init.zeros_(layer.bias)
    return head


def _new_model(shape: ArchitectureConfig, vocabulary: VocabularyIds, pairs: str | None) -> Any:
    import transformers

    deviation = shape.initial_deviation or _REFERENCE_DEVIATION * (_REFERENCE_WIDTH / shape.hidden) ** 0.5
    settings: dict[str, Any] = {
        "vocab_size": vocabulary.size,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": shape.max_tokens,
        "initializer_range": deviation,
        "pad_token_id": vocabulary.pad,
        **dict.fromkeys(_DROPOUTS[shape.layout], shape.dropout),
    }
    if shape.layout == "bert":
        return _class_of("bert", pairs)(transformers.BertConfig(**settings))
    settings |= {"bos_token_id": vocabulary.cls, "eos_token_id": vocabulary.sep, "tie_word_embeddings": True}
    rotary = {"rope_type": "default", "rope_theta": shape.rotary_base}
    if shape.layout == "llama":
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings, rope_parameters=rotary))
    local = [
        shape.local_window is not None and (layer + 1) % shape.global_every_layers > 0 for layer in range(shape.layers)
    ]
    return transformers.ModernBertForMaskedLM(
        transformers.ModernBertConfig(
            **settings,
            cls_token_id=vocabulary.cls,
            sep_token_id=vocabulary.sep,
            layer_types=["sliding_attention" if near else "full_attention" for near in local],
            local_attention=shape.local_window or 2 * shape.max_tokens,
            rope_parameters={"full_attention": dict(rotary), "sliding_attention": dict(rotary)},
            classifier_pooling="mean",  # a first token that no pair loss trained says little
        )
    )
