"""The comparison with the library's own loop runs for real and counts right."""

from __future__ import annotations

import pytest
from testkit.tiny_models import Tiny, tiny_pretraining

from components.core.errors import ContractError
from components.modeling.benchmark import PEERS, compare_pretraining
from components.modeling.benchmark_contenders import Work, _Rows


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


def test_full_rows_are_the_rows_joined_and_cut(tiny: Tiny) -> None:
    work = Work.of(tiny.encoded, tiny.tokenizer, tiny_pretraining(objective="mlm"))
    rows, full = _Rows(work, full=False), _Rows(work, full=True)
    joined = [token for row in range(len(rows)) for token in rows[row]["input_ids"]]
    width = work.config.architecture.max_tokens
    assert len(full) == len(joined) // width > 2
    assert [token for row in range(len(full)) for token in full[row]["input_ids"]] == joined[: len(full) * width]


def test_a_batch_of_ours_is_no_larger_than_the_peers(tiny: Tiny) -> None:
    config = tiny_pretraining(objective="mlm", max_steps=None)
    report = compare_pretraining(tiny.encoded, tiny.tokenizer, config, turns=1, steps=6, bf16=True)
    assert set(report.contenders) == {"ours", *PEERS}
    ours, peer = (report.contenders[name].tokens_per_step for name in ("ours", "trainer"))
    assert 0.7 * peer < ours < 1.15 * peer


def test_other_objectives_are_refused(tiny: Tiny) -> None:
    with pytest.raises(ContractError, match="about mlm"):
        compare_pretraining(tiny.encoded, tiny.tokenizer, tiny_pretraining(), turns=1, steps=1)


def test_arithmetic_memory_and_equal_time(tiny: Tiny) -> None:
    config = tiny_pretraining(objective="mlm", max_steps=None)
    report = compare_pretraining(tiny.encoded, tiny.tokenizer, config, turns=1, steps=3, loss_seconds=0.2, memory=True)
    ours, trainer = report.contenders["ours"], report.contenders["trainer"]
    # The library computes padding, and the vocabulary at every position instead of three in ten.
    assert report.arithmetic_ratios["trainer"] > report.arithmetic_ratios["trainer_packed"] > 1
    assert trainer.operations_per_token > ours.operations_per_token
    for figures in report.contenders.values():
        assert figures.peak_memory_megabytes is not None
        assert 100 < figures.peak_memory_megabytes < 10_000
        assert figures.heldout_loss_equal_time is not None
        assert 0 <= figures.loader_share < 1
    assert set(report.heldout_loss_ratio_equal_time) == {"trainer", "trainer_packed"}
    assert report.heldout_loss_ratio == {}
