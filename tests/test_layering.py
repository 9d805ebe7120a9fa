"""Who may import whom. Reads every import of the code; fails with file and line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = (
    "core", "ingestion", "scrubbing", "cleaning", "validation", "documentation", "fairness", "privacy", "tokenization",
    "modeling", "federated", "safety", "packaging", "evaluation", "gates", "interpretability", "release", "dossier",
)  # fmt: skip
FORBIDDEN = {
    "components": {"prefect", "mlflow", "tasks", "flows", "infra"},
    "tasks": {"flows", "infra"},
    "flows": {"mlflow", "torch", "pandas", "infra"},
}
MAY_IMPORT_MLFLOW = {
    "tasks/tracker.py", "tasks/tracking.py", "tasks/registry.py", "tasks/serving.py", "tasks/guarded_registry.py",
}  # fmt: skip
RELEASE_MAY_IMPORT = {"core"}
HEAVY = {"torch", "transformers", "lightning", "pandas", "sklearn", "datasets", "great_expectations", "evidently"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_no_layer_imports_one_above_it() -> None:
    offences = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for folder, banned in FORBIDDEN.items()
        for path in sources(folder)
        for line, name in imports(path)
        if name.split(".")[0] in banned
    ]
    assert not offences, "\n".join(offences)


def test_mlflow_stays_in_few_files() -> None:
    offences = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources("tasks")
        if path.relative_to(ROOT).as_posix() not in MAY_IMPORT_MLFLOW
        for line, name in imports(path)
        if name.split(".")[0] == "mlflow"
    ]
    assert not offences, "\n".join(offences)


def test_rooms_import_earlier_rooms_only() -> None:
    offences = []
    for path in sources("components"):
        room = path.relative_to(ROOT / "components").parts[0]
        if room not in ROOMS:
            continue
        for line, name in imports(path):
            parts = name.split(".")
            if parts[0] == "components" and len(parts) > 1 and ROOMS.index(parts[1]) > ROOMS.index(room):
                offences.append(f"{path.relative_to(ROOT)}:{line} {room} imports the later room {parts[1]}")
            private = [part for part in parts[2:] if part.startswith("_")]
            if parts[0] == "components" and len(parts) > 2 and parts[1] != room and private:
                offences.append(f"{path.relative_to(ROOT)}:{line} imports the private module {name}")
    assert not offences, "\n".join(offences)


def test_release_verifies_with_core_alone() -> None:
    offences = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources("components/release")
        for line, name in imports(path)
        if (name.startswith("components.") and name.split(".")[1] not in {*RELEASE_MAY_IMPORT, "release"})
        or name.split(".")[0] in HEAVY
    ]
    assert not offences, "\n".join(offences)


def test_components_read_no_environment_and_print_nothing() -> None:
    offences = []
    for path in sources("components"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
                offences.append(f"{path.relative_to(ROOT)}:{node.lineno} reads the environment")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                offences.append(f"{path.relative_to(ROOT)}:{node.lineno} prints")
    assert not offences, "\n".join(offences)


def test_core_and_configs_import_nothing_heavy() -> None:
    light = [*sources("components/core"), *(ROOT / "components").glob("*/config.py"), ROOT / "flows" / "config.py"]
    offences = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in light
        for line, name in imports(path)
        if name.split(".")[0] in HEAVY
    ]
    assert not offences, "\n".join(offences)
