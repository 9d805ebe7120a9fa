from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from testkit.generators import RandomLogits, byte_level_tokenizer, word_piece_tokenizer
from transformers import LogitsProcessorList

from components.core.errors import ConfigError
from components.safety.banning import TokenBan
from components.safety.normaliser import make_views
from components.safety.output_control import BannedPhrases, ExpertGuidance, SelfDebiasing
from components.safety.readings import Term, readings

PHRASES = ("kill you", "bad", "杀了你")


def _holds_phrase(text: str) -> bool:
    terms = [Term("threat", "en", phrase, False) for phrase in PHRASES]
    views = make_views(text)
    latin = readings([term for term in terms if not term.is_chinese])[0]
    return bool(latin.matches(views)) or "杀了你" in views.squeezed_text


def _generate(tokenizer: Any, *, seed: int, beams: int, rows: int, tokens: int, guarded: bool) -> list[str]:
    model = RandomLogits(len(tokenizer), end=tokenizer.eos_token_id, seed=seed)
    prompt = torch.full((rows, 1), tokenizer.bos_token_id)
    processors = [BannedPhrases.for_tokenizer(tokenizer, PHRASES, prompt_tokens=1)] if guarded else []
    torch.manual_seed(seed)
    made = model.generate(
        prompt,
        max_new_tokens=tokens,
        num_beams=beams,
        do_sample=True,
        logits_processor=LogitsProcessorList(processors),
        top_p=0.95,
    )
    return tokenizer.batch_decode(made[:, 1:], skip_special_tokens=True)


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("make", [byte_level_tokenizer, word_piece_tokenizer])
def test_no_generation_holds_a_phrase(make: Any, beams: int) -> None:
    tokenizer = make()
    found = 0
    for seed in range(2):
        found += sum(
            map(_holds_phrase, _generate(tokenizer, seed=seed, beams=beams, rows=32, tokens=24, guarded=False))
        )
        texts = _generate(tokenizer, seed=seed, beams=beams, rows=32, tokens=24, guarded=True)
        assert not [text for text in texts if _holds_phrase(text)]
    assert found > 3  # the vocabulary is made for it: unguarded, phrases come


@pytest.mark.soak
@pytest.mark.parametrize("beams", [1, 4])
def test_no_generation_of_fifty_thousand_holds_a_phrase(beams: int) -> None:
    """Twice: 100,000 in all."""
    tokenizer = byte_level_tokenizer()
    for seed in range(100):
        texts = _generate(tokenizer, seed=seed, beams=beams, rows=500, tokens=16, guarded=True)
        assert len(texts) == 500
        assert not [text for text in texts if _holds_phrase(text)]


def _processor(pieces: list[bytes], **options: Any) -> BannedPhrases:
    return BannedPhrases(TokenBan(PHRASES, pieces), end_token=len(pieces) - 1, **options)


def test_where_nothing_is_left_the_text_ends() -> None:
    processor = _processor([b"bad", b"BAD", b""])
    scores = torch.tensor([[1.0, 2.0, -math.inf], [math.nan, 1.0, 3.0]])
    masked = processor(torch.zeros((2, 0), dtype=torch.long), scores)
    assert masked.tolist() == [[-math.inf, -math.inf, 0.0], [-math.inf, -math.inf, 3.0]]
    assert not masked.softmax(-1).isnan().any()


def test_rows_may_change_places_and_a_new_text_starts_afresh() -> None:
    pieces = [b"ba", b"d", b"x", b""]
    processor, empty = _processor(pieces), torch.zeros((2, 4))
    processor(torch.tensor([[0], [2]]), empty)
    swapped = processor(torch.tensor([[2, 2], [0, 2]]), empty)
    assert torch.isfinite(swapped).all()
    assert processor(torch.tensor([[2, 0], [0, 0]]), empty).isinf().tolist() == [[False] * 4] * 2
    assert processor(torch.tensor([[0], [2]]), empty).isinf().tolist() == [[False, True, False, False], [False] * 4]


def test_the_prompt_is_not_judged() -> None:
    processor = _processor([b"ba", b"d", b""], prompt_tokens=1)
    assert torch.isfinite(processor(torch.tensor([[0]]), torch.zeros((1, 3)))).all()


def test_a_tokenizer_without_an_end_is_refused() -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(ConfigError, match="no end of text"):
        BannedPhrases.for_tokenizer(tokenizer, PHRASES)


def test_guidance_follows_the_papers_equation() -> None:
    base = torch.tensor([[2.0, 1.0, 0.5, -4.0]])
    expert, anti = torch.tensor([[0.0, 1.0, 0.0, 9.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    guided = ExpertGuidance(lambda _: expert, lambda _: anti, alpha=2.0, top_p=0.9)
    # By hand: probabilities .609 .224 .136 .002; the first three make up 90 %.
    assert guided(torch.zeros((1, 1)), base).tolist() == [[0.0, 3.0, 0.5, -math.inf]]
    with pytest.raises(ConfigError, match="alpha"):
        ExpertGuidance(lambda _: expert, lambda _: anti, alpha=-1.0)


def test_self_debiasing_scales_what_the_provoked_model_likes_better() -> None:
    plain = torch.tensor([[0.5, 0.5]]).log()
    provoked = torch.tensor([[0.9, 0.1]]).log()
    scaled = SelfDebiasing(lambda _: provoked, decay=10.0)(torch.zeros((1, 1)), plain).softmax(-1)
    weight = 0.5 * math.exp(-10 * 0.4)
    assert scaled[0].tolist() == pytest.approx([weight / (weight + 0.5), 0.5 / (weight + 0.5)])
    assert torch.allclose(SelfDebiasing(lambda _: provoked, decay=0.0)(torch.zeros((1, 1)), plain), plain)
