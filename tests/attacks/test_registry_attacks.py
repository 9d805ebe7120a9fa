"""Attacks on the registry through every door of a running server. ``guarded`` v1 is production, v2 is not approved."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from testkit.attacked import World
from testkit.releases import write_payload

from tasks import registry
from tasks.tracking import run_scope

pytestmark = [pytest.mark.servers]

_ALIAS = r"^403 .*@{alias} is protected: .*approvals/state: pending; needs 1 more of role approver"
_UNAPPROVED = _ALIAS.format(alias="production")


@dataclass(frozen=True)
class Attack:
    """What is done, and what it is told."""

    name: str
    act: Callable[[World], str]
    says: str


def _graphql(world: World) -> str:
    query = 'mutation { setRegisteredModelAlias(input: {name: "guarded", alias: "production", version: "2"}) { ok } }'
    return world.send("POST", "/graphql", {"query": query, "operationName": None})


def _tag(key: str, value: str | Callable[[World], str], version: str = "2") -> Callable[[World], str]:
    return lambda world: world.set_tag("guarded", version, key, value if isinstance(value, str) else value(world))


def _of_first(attribute: str) -> Callable[[World], str]:
    return lambda world: str(getattr(registry.get_version("guarded", "1", settings=world.settings), attribute))


def _source(world: World, version: str = "1") -> str:
    return str(world.client.get_model_version("guarded", version).source)


def _create(world: World, name: str, source: str, tags: dict[str, str], model_id: str | None = None) -> str:
    return world.by_client("create_model_version", name, source, tags=tags, model_id=model_id)


def _identity(folder: Path, world: World) -> dict[str, str]:
    from components.core.payload import read_manifest

    path = folder.relative_to(world.settings.home).as_posix() if folder.is_relative_to(world.settings.home) else folder
    return {registry.DIGEST_TAG: read_manifest(folder / "payload").digest(), registry.RELEASE_TAG: str(path)}


def _logged(world: World, release: Path, change: Callable[[Path], None]) -> tuple[str, str]:
    """A logged model as the program makes it for a release, changed afterwards; its source and id."""
    digest = _identity(release, world)[registry.DIGEST_TAG]
    with run_scope("pipeline", "attack", pipeline="attack", settings=world.settings) as run, \
            registry._registry(world.settings) as client:  # fmt: skip
        model = registry._log_model(client, release / "payload", digest, run, world.settings.home)
    folder = Path(world.client.get_logged_model(model.model_id).artifact_location.removeprefix("file://"))
    change(folder)
    return model.model_uri, model.model_id


def _register(change: Callable[[Path], None]) -> Callable[[World], str]:
    """A sealed release registered over a source that was changed."""

    def act(world: World) -> str:
        release = world.seal("guarded")
        source, model_id = _logged(world, release, change)
        return _create(world, "guarded", source, _identity(release, world), model_id)

    return act


def _other_payload(folder: Path) -> None:
    shutil.rmtree(folder / "artifacts" / "payload")
    write_payload(folder / "artifacts" / "payload", weights=b"stolen")


def _pickle(folder: Path) -> None:
    (folder / "python_model.pkl").write_bytes(b"\x80\x04N.")


def _loader(folder: Path) -> None:
    model = yaml.safe_load((folder / "MLmodel").read_text())
    model["flavors"]["python_function"]["loader_module"] = "mlflow.sklearn"
    (folder / "MLmodel").write_text(yaml.safe_dump(model))


def _hostile_code(folder: Path) -> None:
    with (folder / "serving.py").open("a") as file:
        file.write("\nimport os\n")


def _claims(path: str) -> Callable[[World], str]:
    """A version that names a release at a place of the attacker's choice."""

    def act(world: World) -> str:
        release = world.seal("guarded")
        source, model_id = _logged(world, release, lambda _: None)
        return _create(world, "guarded", source, _identity(release, world) | {registry.RELEASE_TAG: path}, model_id)

    return act


def _as(name: str) -> Callable[[World], str]:
    """A release of another model's name, registered under a name."""

    def act(world: World) -> str:
        release = world.seal("elsewhere")
        source, model_id = _logged(world, release, lambda _: None)
        if name != "guarded":
            world.by_client("create_registered_model", name)
        return _create(world, name, source, _identity(release, world), model_id)

    return act


def _squat(world: World) -> str:
    """A plain model made first under a name that is sealed later, with a version of the attacker's."""
    world.by_client("create_registered_model", "squatted")
    with run_scope("pipeline", "squat", pipeline="squatted", settings=world.settings) as run:
        world.client.log_text(run.run_id, "hostile", "model/MLmodel")
    made = world.by_client(
        "create_model_version", "squatted", world.client.get_run(run.run_id).info.artifact_uri + "/model", run.run_id
    )
    assert made == "200"
    world.release("squatted")
    return world.set_alias("squatted", "1")


def _copy(world: World) -> str:
    return world.by_client("copy_model_version", "models:/guarded/1", "stolen")


def _reregister(name: str, tags: Callable[[World], dict[str, str]]) -> Callable[[World], str]:
    def act(world: World) -> str:
        world.by_client("create_registered_model", name)
        source = _source(world)
        return _create(world, name, source, tags(world), source.removeprefix("models:/"))

    return act


def _rename_to_ours(world: World) -> str:
    world.seal("reserved")
    world.by_client("create_registered_model", "plain-model")
    return world.by_client("rename_registered_model", "plain-model", "reserved")


def _stage(world: World) -> str:
    body = {"name": "guarded", "version": "2", "stage": "Production", "archive_existing_versions": False}
    return world.send("POST", "/api/2.0/mlflow/model-versions/transition-stage", body)


def _delete_alias(world: World) -> str:
    body = {"name": "guarded", "alias": "production"}
    return world.send("DELETE", "/api/2.0/mlflow/registered-models/alias", body)


def _first_identity(world: World) -> dict[str, str]:
    found = registry.get_version("guarded", "1", settings=world.settings)
    return {registry.DIGEST_TAG: found.payload_digest, registry.RELEASE_TAG: found.release_path}


ATTACKS = (
    Attack("alias by REST", lambda w: w.set_alias("guarded", "2"), _UNAPPROVED),
    Attack("alias by the address that the UI uses", lambda w: w.set_alias("guarded", "2", api="ajax-api"), _UNAPPROVED),
    Attack(
        "alias by the client",
        lambda w: w.by_client("set_registered_model_alias", "guarded", "production", "2"),
        _UNAPPROVED,
    ),
    Attack("alias by GraphQL", _graphql, r"Cannot query field|not configured for mutations|^4\d\d"),
    Attack(
        "another protected alias", lambda w: w.set_alias("guarded", "2", "champion"), _ALIAS.format(alias="champion")
    ),
    Attack("alias in capitals", lambda w: w.set_alias("guarded", "2", "Production"), "^403 .*is protected"),
    Attack("alias in full-width letters", lambda w: w.set_alias("guarded", "2", "ｐroduction"), "^403 .*is protected"),
    Attack("alias with a line end", lambda w: w.set_alias("guarded", "2", "production\n"), "^403 .*is protected"),
    Attack("stage by REST", _stage, "^403 .*stages are not used here"),
    Attack(
        "stage by the client",
        lambda w: w.by_client("transition_model_version_stage", "guarded", "2", "Production", True),
        "^403 .*stages are not used here",
    ),
    Attack("alias deleted by REST", _delete_alias, "^403 .*protected and cannot be deleted"),
    Attack(
        "alias deleted by the client",
        lambda w: w.by_client("delete_registered_model_alias", "guarded", "production"),
        "^403 .*protected and cannot be deleted",
    ),
    Attack("tagged as promoted", _tag(registry.DECISION_TAG, "promoted"), "^403 .*never promoted"),
    Attack("tagged as approved", _tag(registry.DECISION_TAG, "approved"), "^403 .*its release is pending"),
    Attack("tagged as rejected", _tag(registry.DECISION_TAG, "rejected", "1"), "^403 .*its release is approved, not"),
    Attack(
        "the digest of an approved version",
        _tag(registry.DIGEST_TAG, _of_first("payload_digest")),
        "^403 .*cannot change",
    ),
    Attack(
        "the release of an approved version",
        _tag(registry.RELEASE_TAG, _of_first("release_path")),
        "^403 .*cannot change",
    ),
    Attack("a false way back", _tag("touchstone.previous.production", "2", "1"), "^403 .*audit log knows none"),
    Attack(
        "false approvals", _tag(registry.APPROVALS_TAG, "approved; by everybody"), "^403 .*the release says 'pending'"
    ),
    Attack("a tag that only looks like ours", _tag("touchstone.verdict", "pass"), "^403 .*no tag that touchstone sets"),
    Attack("our tag in capitals", _tag("Touchstone.Decision", "promoted"), "^403 .*no tag that touchstone sets"),
    Attack("another candidate's name", _tag(registry.CANDIDATE_TAG, "clean"), "^403 .*sealed for candidate"),
    Attack(
        "our tag deleted",
        lambda w: w.by_client("delete_model_version_tag", "guarded", "2", registry.DECISION_TAG),
        "^403 .*cannot be deleted",
    ),
    Attack(
        "a tag on the model",
        lambda w: w.by_client("set_registered_model_tag", "guarded", registry.DECISION_TAG, "promoted"),
        "^403 .*tags versions alone",
    ),
    Attack(
        "the model hidden among prompts",
        lambda w: w.by_client("set_registered_model_tag", "guarded", "mlflow.prompt.is_prompt", "true"),
        "^403 .*cannot be set on the model",
    ),
    Attack(
        "production deleted", lambda w: w.by_client("delete_model_version", "guarded", "1"), "^403 .*cannot be deleted"
    ),
    Attack(
        "evidence deleted", lambda w: w.by_client("delete_model_version", "guarded", "2"), "^403 .*cannot be deleted"
    ),
    Attack(
        "the model deleted", lambda w: w.by_client("delete_registered_model", "guarded"), "^403 .*cannot be deleted"
    ),
    Attack(
        "the model renamed",
        lambda w: w.by_client("rename_registered_model", "guarded", "away"),
        "^403 .*cannot be renamed",
    ),
    Attack("another model renamed to ours", _rename_to_ours, "^403 .*no other model can take it"),
    Attack("a squatted name", _squat, "^403 .*holds no sealed release"),
    Attack("copied to another name", _copy, "^500 .*PERMISSION_DENIED.*cannot be registered again"),
    Attack(
        "registered again under another name", _reregister("stolen2", lambda _: {}), "^403 .*cannot be registered again"
    ),
    Attack(
        "registered again with its tags", _reregister("guarded", _first_identity), "^403 .*cannot be registered again"
    ),
    Attack(
        "a version without a release",
        lambda w: _create(w, "guarded", *_logged(w, w.seal("elsewhere"), lambda _: None)[:1], {}, None),
        "^40[03] .*(holds sealed releases only|Invalid model version source)",
    ),
    Attack("a release path out of the home", _claims("../../../etc"), "^403 .*(is gone|not where the release)"),
    Attack("an absolute release path", _claims("/srv/release"), "^403 .*(is gone|not where the release)"),
    Attack(
        "a release path through another name", _claims("releases/guarded/../elsewhere"), "^403 .*(is gone|not where)"
    ),
    Attack("another model's release", _as("guarded"), "^403 .*(is gone|not where the release)"),
    Attack("a release under a name that nobody sealed", _as("fresh"), "^403 .*(is gone|not where the release)"),
    Attack("a source with another payload", _register(_other_payload), "^403 .*the source holds payload"),
    Attack("a source with a pickle", _register(_pickle), r"^403 .*python_model\.pkl in MLflow's copy"),
    Attack("a source with other code", _register(_hostile_code), r"^403 .*serving\.py in the source is not"),
    Attack("a source with another loader", _register(_loader), "^403 .*MLmodel loads something else"),
    Attack(
        "a name that leaves the folder",
        lambda w: w.by_client("create_registered_model", "../keys"),
        "^400 .*[Ii]nvalid",
    ),
    Attack("a version of a name that leaves the folder", lambda w: w.set_alias("..", "1"), "^4(00|04) "),
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
def test_an_attack_on_the_registry_is_refused(world: World, attack: Attack) -> None:
    before = len(world.log().records)
    told = attack.act(world)
    assert re.search(attack.says, told.replace("\n", " ")), told
    assert world.standing("guarded") == "1"
    assert world.serving("guarded") == ""
    report = world.log()
    assert report.problems == ()
    if told.startswith("403"):
        assert report.records[-1].outcome == "refused"
        assert report.records[-1].actor.endswith("from 127.0.0.1")
        assert len(report.records) > before


def test_models_that_are_nobody_s_business_stay_free(world: World) -> None:
    assert world.by_client("create_registered_model", "free") == "200"
    with run_scope("pipeline", "free", pipeline="free", settings=world.settings) as run:
        world.client.log_text(run.run_id, "x", "model/MLmodel")
    place = world.client.get_run(run.run_id).info.artifact_uri + "/model"
    assert world.by_client("create_model_version", "free", place, run.run_id) == "200"
    assert world.set_tag("free", "1", "team", "search").startswith("200")
    assert world.set_alias("free", "1", "shadow").startswith("200")
    assert world.by_client("transition_model_version_stage", "free", "1", "Staging") == "200"
    assert world.set_alias("free", "1", "production").startswith("403")
    assert world.by_client("rename_registered_model", "free", "freer") == "200"
    assert world.by_client("delete_registered_model", "freer") == "200"


def test_the_way_through_is_open(world: World) -> None:
    """What an approved release may do by the very same doors."""
    _, first = world.release("open")
    assert world.set_alias("open", first).startswith("200")
    assert world.set_tag("open", first, registry.DECISION_TAG, "promoted").startswith("200")
    assert world.serving("open") == ""
    tags: Any = world.client.get_model_version("guarded", "1").tags
    assert tags[registry.DECISION_TAG] == "promoted"
    assert tags[registry.APPROVALS_TAG] == "approved; approve by ada (approver)"
