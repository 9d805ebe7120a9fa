"""Releases in a real MLflow registry over SQLite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testkit.sealed import register_tiny, seal_tiny
from testkit.tiny_payload import write_tiny_classifier

from components.core.errors import ConfigError, ContractError, InfrastructureError, IntegrityError
from components.core.payload import verify_payload
from tasks import registry, tracking
from tasks.release_control import sign_decision
from tasks.serving import _verify_release
from tasks.settings import Settings

HOME: list[Path] = []


def _verify(found: registry.Version) -> str:
    return verify_payload(HOME[0] / found.release_path / "payload")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL"):
        os.environ.pop(name, None)
    home = tmp_path_factory.mktemp("registry") / "home"
    settings = Settings(home=home)
    HOME[:] = [home]
    return settings


@pytest.fixture(scope="module")
def releases(settings: Settings) -> dict[int, Path]:
    """Two releases that are sealed and approved."""
    folders = {seed: seal_tiny(settings, seed=seed) for seed in (1, 2)}
    for folder in folders.values():
        sign_decision("approve", folder, "read it", settings=settings)
    return folders


@pytest.fixture(autouse=True)
def nothing_lands_outside_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "mlruns").exists()


@pytest.fixture(scope="module")
def versions(settings: Settings, releases: dict[int, Path]) -> list[str]:
    return [register_tiny(settings, releases[seed], candidate=f"c{seed}") for seed in (1, 2, 2)]


def test_a_payload_gets_one_version(settings: Settings, versions: list[str]) -> None:
    assert versions == ["1", "2", "2"]
    assert any((settings.mlflow_folder / "artifacts" / "tiny" / "models").glob("m-*/artifacts/MLmodel"))
    newest = registry.list_versions(settings, "tiny")[0]
    assert (newest.version, newest.decision, newest.candidate) == ("2", "pending", "c2")
    assert newest.payload_digest == _verify(newest)


def test_promotion_and_rollback_move_the_alias(
    settings: Settings, versions: list[str], releases: dict[int, Path]
) -> None:
    first = registry.set_alias_after_verification("tiny", "1", "production", verify=_verify, settings=settings)
    second = registry.set_alias_after_verification("tiny", "2", "production", verify=_verify, settings=settings)
    assert (first.previous, second.previous) == ("", "1")
    assert registry.get_version("tiny", "production", settings=settings).version == "2"
    register_tiny(settings, releases[2])
    assert registry.get_version("tiny", "2", settings=settings).decision == "promoted"
    back = registry.rollback("tiny", verify=_verify, settings=settings)
    assert (back.version, back.previous) == ("1", "2")
    assert registry.get_version("tiny", "production", settings=settings).aliases == ("production",)


def test_a_refusing_verification_leaves_the_alias(settings: Settings, versions: list[str]) -> None:
    def refuse(found: registry.Version) -> str:
        raise IntegrityError("no approval")

    with pytest.raises(IntegrityError, match="no approval"):
        registry.set_alias_after_verification("tiny", "2", "blocked", verify=refuse, settings=settings)
    with pytest.raises(IntegrityError, match="registered with"):
        registry.set_alias_after_verification(
            "tiny", "2", "blocked", verify=lambda _: "sha256:other", settings=settings
        )
    with pytest.raises(ConfigError, match="no version or alias"):
        registry.get_version("tiny", "blocked", settings=settings)


def test_a_changed_byte_in_the_copy_of_mlflow_is_found(settings: Settings) -> None:
    version = register_tiny(settings, seal_tiny(settings, seed=3, name="changed"), name="changed")
    found = registry.get_version("changed", version, settings=settings)
    with registry._registry(settings):
        copy = registry._registered_payload(found) / "model" / "calibration.json"
    copy.write_text(copy.read_text() + " ")
    with pytest.raises(IntegrityError, match=r"changed: model/calibration\.json"):
        registry.set_alias_after_verification("changed", version, "production", verify=_verify, settings=settings)


def test_every_form_of_a_model_is_found(
    settings: Settings, versions: list[str], releases: dict[int, Path], tmp_path: Path
) -> None:
    registry.set_alias_after_verification("tiny", "1", "shadow", verify=_verify, settings=settings)
    release = releases[1]
    checkpoint = write_tiny_classifier(tmp_path / "checkpoint")
    run_id = registry.get_version("tiny", "1", settings=settings).run_id
    with tracking.run_scope("stage", "files", pipeline="tiny", settings=settings) as run:
        tracking.log_path(run, checkpoint, "hf")
    assert registry.resolve_model("models:/tiny/1", settings) == release
    assert registry.resolve_model("models:/tiny@shadow", settings) == release
    assert registry.resolve_model(str(release), settings) == release
    assert registry.resolve_model(str(checkpoint), settings) == checkpoint
    assert (registry.resolve_model(f"runs:/{run.run_id}/hf", settings) / "config.json").exists()
    assert registry.payload_folder(release) == release / "payload"
    assert run_id
    with pytest.raises(ContractError, match="plain checkpoint"):
        registry.payload_folder(checkpoint)
    with pytest.raises(ConfigError, match="no such folder"):
        registry.resolve_model(str(tmp_path / "nowhere"), settings)
    with pytest.raises(ConfigError, match="expected models:"):
        registry.resolve_model("models:/tiny", settings)
    with pytest.raises(ContractError, match="neither"):
        registry.resolve_model(str(tmp_path), settings)


def test_nothing_is_registered_without_a_run(settings: Settings, releases: dict[int, Path]) -> None:
    with pytest.raises(InfrastructureError, match="no MLflow run"):
        registry.register_release("tiny", releases[1], run=tracking.RunRef(), settings=settings)


_LOAD = """
import json, sys
import mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/tiny@production")
texts = ["the film was good", "电影很好"]
answers = [model.predict(texts), model.predict(pandas.DataFrame({"text": texts}))]
import components
print(json.dumps({"answers": answers, "code": components.__file__}))
"""


def test_a_fresh_process_without_the_repository_loads_and_answers(
    settings: Settings, versions: list[str], tmp_path: Path
) -> None:
    registry.set_alias_after_verification("tiny", "1", "production", verify=_verify, settings=settings)
    program = tmp_path / "load.py"
    program.write_text(_LOAD)
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MLFLOW_REGISTRY_URI"}
    }
    done = subprocess.run(
        [sys.executable, "-P", str(program), settings.database_uri],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert "artifacts/payload/code/components" in result["code"]
    by_list, by_frame = result["answers"]
    assert [answer["label"] for answer in by_list] == [answer["label"] for answer in by_frame]
    assert {answer["action"] for answer in by_list} == {"allow"}


@pytest.mark.parametrize(
    ("digest", "says"), [("its own", "needs 1 more of role approver"), ("sha256:other", "another payload")]
)
def test_the_pyfunc_refuses_a_release_that_does_not_hold(
    settings: Settings, releases: dict[int, Path], digest: str, says: str
) -> None:
    """Its own door: a process that has neither the registry's word nor a verification of ours."""
    release = seal_tiny(settings, seed=4) if digest == "its own" else releases[1]
    own = verify_payload(release / "payload") if digest == "its own" else digest
    with pytest.raises(RuntimeError, match=says):
        _verify_release({"release": str(release), "home": str(settings.home), "payload_digest": own})


def test_a_loader_that_has_verified_does_not_verify_twice(
    settings: Settings, versions: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = registry.get_version("tiny", "1", settings=settings)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("the program was started to verify again"))
    model = registry.load_verified(found, found.payload_digest, settings=settings)
    assert model.predict(["A good day."])[0]["action"] == "allow"
    assert "were ignored" not in capfd.readouterr().err
