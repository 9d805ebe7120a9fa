"""From a sealed release to an answering server and back, through the verbs alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from testkit.sealed import register_tiny, seal_tiny
from testkit.tiny_payload import write_tiny_payload

from components.core.payload import verify_payload
from tasks.servers import next_free_port
from tasks.settings import Settings

ROOT = Path(__file__).resolve().parents[3]


def _seal(settings: Settings, *, seed: int, decision: str = "pass") -> tuple[Path, str]:
    """A sealed and registered release; returns its folder and version."""
    folder = seal_tiny(settings, seed=seed, decision=decision)
    return folder, register_tiny(settings, folder)


def _ask(port: int, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    for _ in range(300):
        assert process.poll() is None
        try:
            answer = httpx.post(f"http://127.0.0.1:{port}/predict", json={"texts": ["the film was good", "电影很好"]})
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        return answer.json()
    raise AssertionError("no answer in a minute")


@pytest.mark.timeout(300)
def test_a_release_is_approved_promoted_served_and_rolled_back(cli: Any, tmp_path: Path) -> None:
    settings = Settings()
    _seal(settings, seed=1)
    second, _ = _seal(settings, seed=2)
    early = cli("promote", "tiny", "1")
    assert early.code == 1
    assert "needs 1 more of role approver" in early.err
    for version in ("1", "2"):
        signed = cli("approve", f"models:/tiny/{version}", "--reason", "read it, 看过了", "--json")
        assert (signed.code, json.loads(signed.out)["promotable"]) == (0, True)
        promoted = cli("promote", "tiny", version, "--json")
        assert (promoted.code, json.loads(promoted.out)["version"]) == (0, version)
    status = json.loads(cli("status", "--json").out)
    assert [(v["version"], v["aliases"], v["decision"]) for v in status["versions"]] == [
        ("2", ["production"], "promoted"),
        ("1", [], "promoted"),
    ]
    assert cli("verify", "models:/tiny@production").code == 0
    exported = cli("export", "models:/tiny@production", "plain")
    assert exported.code == 0
    assert (tmp_path / "plain" / "model.safetensors").exists()
    _check_server("models:/tiny@production", verify_payload(second / "payload"))
    rolled = cli("rollback", "tiny", "--json")
    assert (rolled.code, json.loads(rolled.out)["version"]) == (0, "1")
    (second / "envelope" / "card.md").write_text("better than it is")
    tampered = cli("verify", "models:/tiny/2", "--json")
    assert tampered.code == 1
    assert any("card.md" in line for line in json.loads(tampered.out)["lines"])
    refused = cli("promote", "tiny", "2")
    assert refused.code == 1
    assert "card.md" in refused.err


def _check_server(model: str, digest: str) -> None:
    port = next_free_port(18000, "--port")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flows", "serve", model, "--port", str(port)]
    serving = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        answer = _ask(port, serving)
    finally:
        serving.terminate()
        code = serving.wait(timeout=30)
    assert answer["payload_digest"] == digest
    assert [item["action"] for item in answer["predictions"]] == ["allow", "allow"]
    assert code in {0, 130}


@pytest.mark.timeout(300)
def test_a_refused_release_needs_a_waiver_by_a_real_key_and_revoking_it_counts(cli: Any, tmp_path: Path) -> None:
    settings = Settings()
    _seal(settings, seed=3, decision="fail")
    assert cli("keys", "new", "alice", "--role", "approver").code == 0
    key = str(settings.keys_folder / "alice.pem")
    assert cli("approve", "models:/tiny/1", "--reason", "fine", "--key", key).code == 0
    assert cli("promote", "tiny", "1").code == 1
    wrong = cli("waive", "models:/tiny/1", "acuracy", "--reason", "x", "--until", "2999-01-01", "--key", key)
    assert (wrong.code, "accuracy" in wrong.err) == (2, True)
    nodate = cli("waive", "models:/tiny/1", "accuracy", "--reason", "x", "--until", "soon", "--key", key)
    assert (nodate.code, "YYYY-MM-DD" in nodate.err) == (2, True)
    assert (
        cli("waive", "models:/tiny/1", "accuracy", "--reason", "known", "--until", "2999-01-01", "--key", key).code == 0
    )
    assert cli("promote", "tiny", "1").code == 0
    assert cli("keys", "revoke", "alice", "--reason", "laptop lost").code == 0
    assert cli("verify", "models:/tiny/1").code == 1
    assert "revoked" in cli("keys", "list").out
    assert cli("serve", "models:/tiny/1").code == 1


def test_a_payload_that_nobody_sealed_is_not_served(cli: Any, tmp_path: Path) -> None:
    payload = write_tiny_payload(tmp_path / "payload")
    ended = cli("serve", str(payload))
    assert ended.code == 1
    assert "not a sealed release" in ended.err
    assert cli("verify", str(payload)).code == 0
