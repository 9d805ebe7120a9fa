"""Which of our own files a payload needs to serve: the import closure of the serving modules, and their data.

Imports are read from the syntax tree, the ones inside functions too, so that nothing is imported to find out.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

from components.core.payload import ALLOWED_SUFFIXES

COMPONENTS_DIR = Path(__file__).resolve().parents[1]
ROOT_MODULES = ("components.packaging.serving", "components.packaging.server")

# CPython 3.11 counts the depth of all trees under construction in one place (cpython issue 106905): two threads that
# parse at the same time fail with "AST constructor recursion depth mismatch".
_parsing = threading.Lock()

# A filter folder brings its own rules and weights.
_LEFT_OUT = (Path("safety", "rules"), Path("safety", "default"))


def serving_files(components_dir: Path = COMPONENTS_DIR) -> list[str]:
    """Paths relative to the folder that holds ``components``, POSIX, sorted."""
    base = components_dir.parent
    found: set[Path] = set()
    waiting = list(ROOT_MODULES)
    while waiting:
        for path in _module_files(waiting.pop(), base):
            if path not in found:
                found.add(path)
                waiting.extend(_imported(path))
    rooms = {path.relative_to(components_dir).parts[0] for path in found} - {"__init__.py"}
    left_out = [components_dir / folder for folder in _LEFT_OUT]
    for room in sorted(rooms):
        data = _data_files(components_dir / room)
        found.update(path for path in data if not any(path.is_relative_to(folder) for folder in left_out))
    return sorted(path.relative_to(base).as_posix() for path in found)


def _module_files(module: str, base: Path) -> Iterator[Path]:
    """The module's file and the ``__init__`` of every package above it; nothing for a name that is no module."""
    parts = module.split(".")
    for size in range(1, len(parts) + 1):
        path = base.joinpath(*parts[:size])
        if (path / "__init__.py").is_file():
            yield path / "__init__.py"
        elif path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")


def _imported(path: Path) -> Iterator[str]:
    with _parsing:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "components")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "components":
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _data_files(room: Path) -> Iterator[Path]:
    for path in room.rglob("*"):
        if path.is_file() and path.suffix in ALLOWED_SUFFIXES - {".py"} and "__pycache__" not in path.parts:
            yield path
