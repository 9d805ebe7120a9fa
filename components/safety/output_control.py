"""Control of what a generator writes, by its logits, for ``transformers`` ``generate``.

``BannedPhrases`` makes phrases impossible, whichever tokens would spell them (``banning``). ``ExpertGuidance`` makes
some tendencies less likely (DExperts). Letters: R rows (batch times beams), V vocabulary, T tokens so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LogitsProcessor

from components.core.errors import ConfigError
from components.safety.banning import START, TextState, TokenBan
from components.safety.vocabulary import read_vocabulary

_MAX_TENSORS = 4096


class BannedPhrases(LogitsProcessor):  # type: ignore[misc]
    """Gives minus infinity to every token after which the generated text would hold a banned phrase.

    The rows of a call are told apart by their tokens, not by their place: beams may be reordered, dropped and copied.
    Where no token is left, the end of the text is: the softmax is never empty, and a text that ends is clean, since
    each of its prefixes is. A logit that is no number counts as minus infinity.

    Of a beam search take the best sequence of each input: with fewer clean continuations than beams, the search fills
    further places with impossible ones, which it scores minus infinity.
    """

    def __init__(self, ban: TokenBan, *, end_token: int, prompt_tokens: int = 0) -> None:
        """``prompt_tokens``: so many tokens at the start of each row are not judged (a padded prompt's length)."""
        self._ban = ban
        self._end_token = end_token
        self._prompt_tokens = prompt_tokens
        self._states: dict[bytes, TextState] = {}
        self._tensors: dict[TextState, torch.Tensor] = {}

    @staticmethod
    def for_tokenizer(tokenizer: Any, phrases: Iterable[str], *, prompt_tokens: int = 0) -> BannedPhrases:
        """Ban phrases in what is generated with a tokenizer.

        Raises: ConfigError if the tokenizer names no end of text, or its decoding cannot be reproduced.
        """
        if tokenizer.eos_token_id is None:
            raise ConfigError(
                "tokenizer: names no end of text, which is what is left where all else is banned; set one"
            )
        vocabulary = read_vocabulary(tokenizer)
        ban = TokenBan(phrases, vocabulary.pieces, joined_bytes=vocabulary.joined_bytes)
        return BannedPhrases(ban, end_token=tokenizer.eos_token_id, prompt_tokens=prompt_tokens)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores with the banned tokens at minus infinity, as a new tensor.

        Args:
            input_ids: int64 [R, T].
            scores: float [R, V], logits or their logarithms of softmax.
        """
        ids_RT = input_ids[:, self._prompt_tokens :].cpu().numpy()
        states: dict[bytes, TextState] = {}
        masked_RV = scores.clone()
        for row, ids_T in enumerate(ids_RT):
            key = ids_T.tobytes()
            if key not in states:
                states[key] = self._state(ids_T)
            masked_RV[row].index_fill_(0, self._banned(states[key], scores), -math.inf)
        self._states = states
        best_R = masked_RV.amax(dim=-1)
        if not bool(torch.isfinite(best_R).all()):
            for row in torch.nonzero(~torch.isfinite(best_R)).flatten().tolist():
                masked_RV[row] = self._repaired(masked_RV[row])
        return masked_RV  # type: ignore[return-value]

    def _state(self, ids_T: NDArray[np.int64]) -> TextState:
        """From the previous call's rows where the tokens so far are one of them, else from the start."""
        known = self._states.get(ids_T[:-1].tobytes()) if len(ids_T) else None
        state, rest = (START, ids_T) if known is None else (known, ids_T[-1:])
        for token in rest.tolist():
            state = self._ban.after(state, token)
        return state

    def _banned(self, state: TextState, scores: torch.Tensor) -> torch.Tensor:
        if state not in self._tensors:
            if len(self._tensors) >= _MAX_TENSORS:
                self._tensors.clear()
            self._tensors[state] = torch.from_numpy(self._ban.banned(state)).to(scores.device)
        return self._tensors[state]

    def _repaired(self, row_V: torch.Tensor) -> torch.Tensor:
        """A row without NaN and plus infinity, and with the end of the text where nothing else is left."""
        limits = torch.finfo(row_V.dtype)
        finite_V = torch.nan_to_num(row_V, nan=-math.inf, posinf=limits.max, neginf=-math.inf)
        if not bool(torch.isfinite(finite_V).any()):
            finite_V[self._end_token] = 0.0
        return finite_V


class ExpertGuidance(LogitsProcessor):  # type: ignore[misc]
    """DExperts (Liu et al., ACL 2021, equation 2): logits + alpha (expert - anti-expert), within the base's top p.

    What the base model itself would not say stays out: outside its nucleus logits become minus infinity before the
    guidance is added, as in section 2 of the paper.
    """

    def __init__(
        self,
        expert: Callable[[torch.Tensor], torch.Tensor],
        anti_expert: Callable[[torch.Tensor], torch.Tensor],
        *,
        alpha: float,
        top_p: float = 0.9,
    ) -> None:
        """Both experts map int64 [R, T] to logits [R, V]; ``alpha`` 0 leaves the base as it is but for the nucleus."""
        if alpha < 0 or not 0 < top_p <= 1:
            raise ConfigError(f"expert guidance: alpha {alpha} must be at least 0 and top_p {top_p} in (0, 1]")
        self._expert, self._anti_expert = expert, anti_expert
        self._alpha, self._top_p = alpha, top_p

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Guided logits, float [R, V]."""
        ordered_RV, order_RV = scores.sort(dim=-1, descending=True)
        probability_RV = ordered_RV.softmax(dim=-1)
        # A token stays if the ones before it do not yet make up top_p: so the first one always stays.
        outside_RV = (probability_RV.cumsum(dim=-1) - probability_RV) >= self._top_p
        outside_RV = torch.zeros_like(outside_RV).scatter(-1, order_RV, outside_RV)
        guidance_RV = self._expert(input_ids) - self._anti_expert(input_ids)
        return (scores + self._alpha * guidance_RV).masked_fill(outside_RV, -math.inf)  # type: ignore[return-value]


class SelfDebiasing(LogitsProcessor):  # type: ignore[misc]
    """Self-Debias (Schick, Udupa, Schuetze, TACL 2021, equations 2 to 4).

    Where the model, told to be harmful, likes a token better, its probability is scaled by exp(-decay * difference).
    """

    def __init__(self, provoked: Callable[[torch.Tensor], torch.Tensor], *, decay: float = 50.0) -> None:
        """``provoked`` maps int64 [R, T] to the logits [R, V] behind a prefix that asks for the behaviour.

        The paper uses 10, 50 and 100 as decay; 0 changes nothing.
        """
        if decay < 0:
            raise ConfigError(f"self-debiasing: decay {decay} must be at least 0")
        self._provoked, self._decay = provoked, decay

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scaled log-probabilities (the softmax takes care of their sum), float [R, V]."""
        log_RV = scores.log_softmax(dim=-1)
        difference_RV = log_RV.exp() - self._provoked(input_ids).log_softmax(dim=-1).exp()
        return log_RV + self._decay * difference_RV.clamp(max=0.0)  # type: ignore[return-value]
