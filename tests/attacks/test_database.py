"""Edits of the database and of the audit log behind the guard: found when a model is loaded or promoted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testkit.attacked import World

from tasks import registry

pytestmark = [pytest.mark.servers]


def test_an_alias_moved_by_sql_is_found_at_load(world: World) -> None:
    world.alias_by_sql("guarded", "2")
    try:
        for told in (world.serving("guarded"), world.loading("guarded")):
            assert "stands at v2 in the database, by the audit log it is v1" in told
    finally:
        world.alias_by_sql("guarded", "1")
    assert world.serving("guarded") == ""


def test_an_alias_moved_by_sql_to_an_older_approved_version_is_found(world: World) -> None:
    versions = [world.release("older")[1] for _ in range(2)]
    assert [world.promotion("older", version) for version in versions] == ["", ""]
    world.alias_by_sql("older", versions[0])
    assert "by the audit log it is v2" in world.serving("older")
    assert world.promotion("older", versions[1]) == ""
    assert world.serving("older") == ""


@pytest.mark.parametrize("key", [registry.DIGEST_TAG, registry.RELEASE_TAG])
def test_a_tag_edited_by_sql_is_found_at_load_and_at_promotion(world: World, key: str) -> None:
    name = f"tags-{key.rsplit('.', maxsplit=1)[-1].replace('_', '-')}"
    _, version = world.release(name)
    assert world.promotion(name, version) == ""
    value = world.client.get_model_version("guarded", "1").tags[key]
    world.by_sql("update model_version_tags set value = ? where name = ? and key = ?", value, name, key)
    for told in (world.serving(name), world.loading(name), world.promotion(name, version)):
        assert "tag is not the one it was created with; somebody edited the database" in told


def test_a_version_written_by_sql_is_not_promoted(world: World) -> None:
    """A row of its own that claims to be the release of v1."""
    world.release("inserted", approved=False)
    world.by_sql(
        "insert into model_versions select name, 7, creation_time, last_updated_time, description, user_id, "
        "current_stage, source, run_id, status, status_message, run_link, storage_location, workspace "
        "from model_versions where name = ?",
        "inserted",
    )
    for told in (world.promotion("inserted", "7"), world.set_alias("inserted", "7")):
        assert "sealed release" in told or "not where the release" in told or "is gone" in told
    world.alias_by_sql("inserted", "7")
    assert world.serving("inserted")


@pytest.fixture
def audit_log(world: World) -> Iterator[Path]:
    """The log, put back as it was after the test."""
    path, head = world.settings.home / "audit.jsonl", world.settings.keys_folder / "audit.head"
    kept = (path.read_bytes(), head.read_bytes())
    yield path
    path.write_bytes(kept[0])
    head.write_bytes(kept[1])


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace('"refused"', '"allowed"', 1).replace('"ada', '"bob', 1))


def _hide_edit(path: Path) -> None:
    """An early record taken out and the rest numbered anew, the hashes left."""
    lines = path.read_text().splitlines()
    del lines[1]
    rows = [{**json.loads(line), "seq": number} for number, line in enumerate(lines)]
    path.write_text("".join(json.dumps(row, sort_keys=True, separators=(",", ":")) + "\n" for row in rows))


def _cut(path: Path) -> None:
    path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:-3]))


def _cut_line(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _swap(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines[1], lines[2] = lines[2], lines[1]
    path.write_text("".join(f"{line}\n" for line in lines))


def _append(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in [*lines, lines[-1]]))


@pytest.mark.parametrize("harm", [_edit, _hide_edit, _cut, _cut_line, _swap, _append, Path.unlink])
def test_a_log_that_was_touched_is_found_and_stops_everything(
    world: World, audit_log: Path, harm: Callable[[Path], None]
) -> None:
    harm(audit_log)
    assert world.log().problems
    assert "touchstone audit" in world.serving("guarded")
    assert world.set_alias("guarded", "2").startswith("403")
    done = subprocess.run(
        [sys.executable, "-m", "flows", "audit", "--json"],
        env={**os.environ, "TOUCHSTONE_HOME": str(world.settings.home)},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["problems"]


def test_a_broken_log_is_begun_anew_on_purpose_and_aliases_are_promoted_again(world: World, audit_log: Path) -> None:
    from tasks.audit import open_audit

    _cut(audit_log)
    aside = open_audit(world.settings).restart(actor="test", reason="disk restored from yesterday")
    assert aside.exists()
    assert "never set" in world.serving("guarded")
    assert world.promotion("guarded", "1") == ""
    assert world.serving("guarded") == ""
    shutil.move(aside, world.settings.home / "tests")
