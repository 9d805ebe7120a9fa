"""The comparison with the library's own loop runs for real and counts right."""

from __future__ import annotations

import pytest
from testkit.tiny_models import Tiny, tiny_pretraining

from components.core.errors import ContractError
from components.modeling.benchmark import compare_pretraining


def test_compares_with_the_library(tiny: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    config = tiny_pretraining(objective="mlm", max_steps=None)
    report = compare_pretraining(tiny.encoded, tiny.tokenizer, config, turns=2, steps=3, loss_tokens=2000)
    assert set(report.contenders) == {"ours", "trainer", "trainer_packed"}
    assert report.contenders["trainer_packed"].padding_share == 0
    assert report.contenders["ours"].padding_share < report.contenders["trainer"].padding_share
    for name, figures in report.contenders.items():
        assert len(figures.turns) == 2
        assert figures.heldout_loss is not None
        assert figures.heldout_tokens_trained == pytest.approx(2000, rel=0.3), name
    assert capfd.readouterr() == ("", "")
    ours, peer = report.contenders["ours"].turns, report.contenders["trainer"].turns
    low, high = sorted(one / other for one, other in zip(ours, peer, strict=True))
    assert low - 0.01 <= report.ratios["trainer"] <= high + 0.01


def test_other_objectives_are_refused(tiny: Tiny) -> None:
    with pytest.raises(ContractError, match="about mlm"):
        compare_pretraining(tiny.encoded, tiny.tokenizer, tiny_pretraining(), turns=1, steps=1)
