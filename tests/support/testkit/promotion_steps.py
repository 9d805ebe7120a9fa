"""Promotions in processes of their own: raced against each other, or killed at a given step.

Run as a program with ``HOME NAME kill OLD NEW EVERY`` or ``HOME NAME race FIRST SECOND COUNT``; prints one JSON
document. A step is every moment at which the disk changes: before and after each flush of a file (``os.fsync``), each
rename (``os.replace``) and each commit of the database. The children are forked from one process that has imported
MLflow, so a step costs milliseconds and not seconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks import registry
from tasks.release_control import check_loadable, promote_version
from tasks.settings import Settings

_MAX_STEPS = 400


def in_child(action: Callable[[], Any]) -> tuple[int, Any]:
    """Run an action in a forked child; its exit code (negative for a signal) and what it returned."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            os.write(writer, json.dumps(action()).encode())
            code = 0
        except BaseException:  # the child must not go on as its parent
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), json.loads(said) if said else None


class KillAt:
    """Ends this very process by SIGKILL at the n-th change of the disk."""

    def __init__(self, step: int) -> None:
        self.left = step

    def tick(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            result = function(*args, **kwargs)
            self.tick()
            return result

        return wrapped

    def install(self) -> None:
        from sqlalchemy.engine import default

        for owner, name in ((os, "fsync"), (os, "replace"), (default.DefaultDialect, "do_commit")):
            setattr(owner, name, self.around(getattr(owner, name)))


def production(settings: Settings, name: str) -> tuple[str, str]:
    """The version that production is, and what loading it would say."""
    from components.core.errors import TouchstoneError

    model = f"models:/{name}@production"
    try:
        found = registry.get_version(name, "production", settings=settings)
        check_loadable(model, registry.resolve_model(model, settings), settings=settings)
    except TouchstoneError as error:
        return "", str(error)
    return found.version, ""


def kill_everywhere(settings: Settings, name: str, old: str, new: str, every: int) -> list[dict[str, Any]]:
    """Promote ``new`` over ``old`` again and again, killed ``every`` steps later each time, until it comes through."""
    outcomes: list[dict[str, Any]] = []
    for step in range(0, _MAX_STEPS, every):
        assert in_child(lambda: promote_version(name, old, settings=settings).version) == (0, old)

        def killed(step: int = step) -> str:
            KillAt(step).install()
            return promote_version(name, new, settings=settings).version

        code, _ = in_child(killed)
        _, after = in_child(lambda: production(settings, name))
        _, again = in_child(lambda: promote_version(name, new, settings=settings).version)
        _, end = in_child(lambda: production(settings, name))
        outcomes.append({"step": step, "code": code, "after": after, "again": again, "end": end})
        if code == 0:
            break
    return outcomes


def race(settings: Settings, name: str, versions: tuple[str, str], count: int) -> list[dict[str, Any]]:
    """Two promotions over version 1 that both saw it, started together, ``count`` times."""
    outcomes: list[dict[str, Any]] = []
    seen = "1"
    for _ in range(count):
        assert in_child(lambda: promote_version(name, seen, settings=settings).version) == (0, seen)
        start, go = os.pipe()
        children = []
        for version in versions:
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(go)
                os.read(start, 1)  # returns for both when the parent closes its end
                won = _won(settings, name, version, seen)
                os.write(writer, won.encode())
                os._exit(0)
            os.close(writer)
            children.append((pid, reader))
        os.close(start)
        os.close(go)
        said = []
        for pid, reader in children:
            with os.fdopen(reader, "rb") as pipe:
                said.append(pipe.read().decode())
            os.waitpid(pid, 0)
        _, after = in_child(lambda: production(settings, name))
        outcomes.append({"said": said, "after": after})
    return outcomes


def _won(settings: Settings, name: str, version: str, seen: str) -> str:
    from components.core.errors import TouchstoneError

    try:
        promote_version(name, version, settings=settings, expected=seen)
    except TouchstoneError as error:
        return str(error)
    except BaseException as error:  # the child must not go on as its parent
        return f"{type(error).__name__}: {error}"
    return "won"


def main() -> None:
    home, name, what, *rest = sys.argv[1:]
    settings = Settings(home=Path(home))
    # Imported before the forks, opened after them: SQLite's connections do not survive one.
    import mlflow.pyfunc  # noqa: F401

    import components.dossier.write  # noqa: F401
    import tasks.guarded_registry  # noqa: F401

    outcomes = (
        kill_everywhere(settings, name, rest[0], rest[1], int(rest[2]))
        if what == "kill"
        else race(settings, name, (rest[0], rest[1]), int(rest[2]))
    )
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main()
