from __future__ import annotations

from pathlib import Path

import pytest

from components.core.errors import ConfigError, IntegrityError
from components.core.payload import verify_payload
from components.modeling.inference import TextClassifier
from components.packaging.export import export_model


def test_the_export_is_the_model_with_a_card(payload: Path, tmp_path: Path) -> None:
    out = export_model(payload, tmp_path / "plain", card="# My card\n")
    text = "the lamp is good"
    assert (TextClassifier(out).predict([text]) == TextClassifier(payload / "model").predict([text])).all()
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\npipeline_tag: text-classification\n")
    assert card.endswith("# My card\n")


def test_a_short_card_names_the_payload_and_the_missing_filter(payload: Path, tmp_path: Path) -> None:
    card = (export_model(payload, tmp_path / "plain") / "README.md").read_text()
    assert verify_payload(payload) in card
    assert "without the safety filter" in card
    assert "安全过滤器" in card


def test_an_occupied_folder_is_left_alone(payload: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="not an empty folder"):
        export_model(payload, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_damaged_payload_is_not_exported(payload: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        export_model(payload / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()
