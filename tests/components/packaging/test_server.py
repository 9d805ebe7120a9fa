from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.packaging.server import build_app
from components.packaging.serving import GuardedModel
from components.safety.decision_log import DecisionLog


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> DecisionLog:
    return DecisionLog(tmp_path_factory.mktemp("logs") / "decisions.jsonl")


@pytest.fixture(scope="module")
def client(payload: Path, log: DecisionLog) -> Iterator[TestClient]:
    with TestClient(build_app(GuardedModel.load(payload), log), base_url="http://localhost") as client:
        yield client


def test_health_names_the_payload(client: TestClient, payload: Path) -> None:
    body = client.get("/health").json()
    assert body["status"] == "ok"
    assert body["payload_digest"] == GuardedModel.load(payload).payload_digest


def test_one_text_and_several_are_answered_and_logged(client: TestClient, log: DecisionLog) -> None:
    one = client.post("/predict", json={"text": "The lamp is good"}).json()["predictions"]
    many = client.post("/predict", json={"texts": ["The lamp is good", "我要杀了你"]}).json()["predictions"]
    assert [answer["action"] for answer in one + many] == ["allow", "allow", "block"]
    assert one[0]["label"] == many[0]["label"]
    assert many[1]["text"] == "我无法提供帮助。"
    rows = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [row["action"] for row in rows] == ["allow", "allow", "block"]
    assert "lamp" not in log.path.read_text()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"text": "a", "texts": ["b"]}, 422),
        ({"texts": []}, 422),
        ({"texts": ["a"] * 5}, 413),
        ({"text": 7}, 422),
        ({"text": "a", "other": 1}, 422),
    ],
)
def test_malformed_requests_are_refused(client: TestClient, body: dict[str, object], status: int) -> None:
    assert client.post("/predict", json=body).status_code == status


def test_a_lone_surrogate_is_refused(client: TestClient) -> None:
    answer = client.post("/predict", content=b'{"text": "\\ud800"}', headers={"content-type": "application/json"})
    assert answer.json()["predictions"][0]["action"] == "block"


def test_a_foreign_host_name_is_refused(client: TestClient) -> None:
    assert client.get("/health", headers={"host": "evil.example"}).status_code == 400


def test_a_log_that_cannot_be_written_does_not_stop_answers(
    payload: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    broken = DecisionLog(tmp_path / "file" / "decisions.jsonl")
    with TestClient(build_app(GuardedModel.load(payload), broken), base_url="http://localhost") as client:
        assert client.post("/predict", json={"text": "fine"}).json()["predictions"][0]["action"] == "allow"
    assert "decision not logged" in caplog.text
