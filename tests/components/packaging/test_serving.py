from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.core.errors import IntegrityError
from components.core.payload import verify_payload
from components.packaging.serving import GuardedModel


@pytest.fixture(scope="module")
def model(payload: Path) -> GuardedModel:
    return GuardedModel.load(payload)


def _plain_transformers(folder: Path, text: str) -> np.ndarray:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = plain(**tokenizer(text, return_tensors="pt")).logits[0].double() / 1.5
    return torch.softmax(logits, -1).numpy()


def test_a_harmless_request_gets_the_label_that_plain_transformers_gives(model: GuardedModel, payload: Path) -> None:
    text = "The lamp is good"
    (answer,) = model.respond([text])
    expected = _plain_transformers(payload / "model", text)
    assert answer.action == "allow"
    assert answer.text == text
    assert answer.label == ("negative", "positive")[int(expected.argmax())]
    assert answer.score == pytest.approx(expected.max(), abs=1e-5)


def test_a_harmful_request_is_refused_in_its_language(model: GuardedModel) -> None:
    english, chinese = model.respond(["I will kill you", "我要殺了你"])
    assert (english.action, english.label, english.text) == ("block", None, "I cannot help with that.")
    assert (chinese.action, chinese.label, chinese.text) == ("block", None, "我无法提供帮助。")


def test_personal_data_is_not_echoed_and_does_not_change_the_label(model: GuardedModel, payload: Path) -> None:
    text = "write to mia.stone@example.org about the lamp"
    (answer,) = model.respond([text])
    assert answer.action == "redact"
    assert answer.text == "write to [EMAIL_ADDRESS] about the lamp"
    assert answer.score == pytest.approx(_plain_transformers(payload / "model", text).max(), abs=1e-5)


def test_answers_keep_the_order_of_the_texts_and_none_is_fine(model: GuardedModel) -> None:
    answers = model.respond(["fine", "I will kill you", "我很好"])
    assert [answer.action for answer in answers] == ["allow", "block", "allow"]
    assert model.respond([]) == []


def test_an_output_that_is_not_a_number_is_refused(payload: Path) -> None:
    broken = GuardedModel.load(payload)
    broken._classifier.temperature = float("nan")
    assert [answer.action for answer in broken.respond(["fine"])] == ["block"]


def test_another_digest_than_asked_for_is_refused(payload: Path) -> None:
    with pytest.raises(IntegrityError, match="asked for"):
        GuardedModel.load(payload, expected_digest="sha256:" + "0" * 64)


def test_a_changed_weight_byte_stops_the_load(payload: Path, tmp_path: Path) -> None:
    copy = tmp_path / "payload"
    shutil.copytree(payload, copy)
    weights = copy / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"changed: model/model\.safetensors"):
        GuardedModel.load(copy)


def test_serves_in_a_fresh_process_from_its_own_code(payload: Path, tmp_path: Path, model: GuardedModel) -> None:
    copy = tmp_path / "payload"
    shutil.copytree(payload, copy)
    script = (
        "import json, sys, components\n"
        "from pathlib import Path\n"
        "from components.packaging.serving import GuardedModel\n"
        "model = GuardedModel.load(Path(sys.argv[1]))\n"
        "answers = model.respond(['The lamp is good', '我要殺了你'])\n"
        "print(json.dumps([components.__path__[0], [[a.action, a.label, a.score] for a in answers]]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(copy)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(copy / "code"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    code, answers = json.loads(result.stdout)
    assert code == str(copy / "code" / "components")
    here = model.respond(["The lamp is good", "我要殺了你"])
    assert answers == [[answer.action, answer.label, answer.score] for answer in here]
    assert verify_payload(copy) == verify_payload(payload)


def test_code_that_differs_from_the_payload_is_reported(
    payload: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        GuardedModel.load(payload)
    assert "differ from the payload's own code" not in caplog.text
