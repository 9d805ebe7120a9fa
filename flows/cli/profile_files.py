"""Profile folders: copied with a comment on every key, and edited without losing one.

Proposals follow from the number of records: a share measured on n items has a 95 % interval, and a gate passes only
with its whole interval on the good side, so a threshold that n cannot resolve would refuse for ever.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.config import StageConfig
from components.core.errors import ConfigError

if TYPE_CHECKING:
    from components.ingestion.guess import DataProfile

Change = dict[str, str]

_TOP_KEY = re.compile(r"^([a-z_]+):")
_Z = 1.96
_MIN_TEST_ITEMS = 20
_POSITIVE_NAMES = ("positive", "pos", "good", "yes", "true", "1", "正面", "积极", "好评", "正向", "是")


@contextmanager
def new_profile(source: Path, folder: Path) -> Iterator[list[str]]:
    """Copy a profile's YAML files, named by the value, for the body to edit; if it fails nothing of them stays.

    Raises: ConfigError if the profile is unknown or the folder holds something.
    """
    from flows.config import PROFILES

    paths = sorted(source.glob("*.yaml"))
    if not paths:
        raise ConfigError(f"--profile {source.name}: unknown; known: {', '.join(PROFILES)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: not an empty folder; choose a new one")
    was_there = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for path in paths:
            shutil.copyfile(path, folder / path.name)
        yield [path.name for path in paths]
    except BaseException:  # an interrupt leaves nothing either
        for path in paths:
            (folder / path.name).unlink(missing_ok=True)
        if not was_there:
            folder.rmdir()
        raise


def comment_folder(folder: Path) -> None:
    """Give every key of a folder's files a comment. The last step: what is set by then is not listed as unset."""
    from flows.config import STAGES

    for path in sorted(folder.glob("*.yaml")):
        if path.stem in STAGES:
            text = comment_keys(path.read_text(encoding="utf-8"), STAGES[path.stem])
            path.write_text(text, encoding="utf-8")


def comment_keys(text: str, schema: type[StageConfig]) -> str:
    """A stage's YAML with its schema's words: above uncommented keys, and for keys that stand at their default."""
    lines: list[str] = []
    present: set[str] = set()
    for line in text.splitlines():
        match = _TOP_KEY.match(line)
        if match:
            present.add(match[1])
            field = schema.model_fields.get(match[1])
            commented = "#" in line or (lines and lines[-1].startswith("#"))
            if field is not None and field.description and not commented:
                lines.append(f"# {field.description}")
        lines.append(line)
    absent = [name for name in schema.model_fields if name not in present and name not in {"seed", "languages"}]
    if absent:
        lines += ["", "# Not set; these are the defaults:"]
        lines += [line for name in absent for line in _default_lines(name, schema)]
    return "\n".join(lines) + "\n"


def _default_lines(name: str, schema: type[StageConfig]) -> list[str]:
    field = schema.model_fields[name]
    if field.is_required():
        return []
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, StageConfig):
        default = default.model_dump(mode="json")
    value = json.dumps(
        default, ensure_ascii=False, default=lambda item: list(item) if isinstance(item, tuple) else str(item)
    )
    return [f"# {field.description}", f"# {name}: {value}"]


def set_checkpoint(folder: Path, model: str) -> Change:
    """Name the starting checkpoint. Raises ConfigError if it looks like a path and is none of a model."""
    path = Path(model).expanduser()
    if path.exists():
        if not (path / "config.json").exists():
            raise ConfigError(f"--model {model}: no config.json, so no Hugging Face folder")
        model = str(path.absolute())
    elif model.startswith((".", "/", "~")):
        raise ConfigError(f"--model {model}: no such folder")
    with _Editor(folder) as edit:
        return edit.set("finetuning", "checkpoint", model, "given with --model")


def fit_to_data(folder: Path, name: str, data: Path, found: DataProfile) -> list[Change]:
    """Edit a copied profile for a data file; returns what was changed and why."""
    languages = list(found.languages)
    with _Editor(folder) as edit:
        changes = [
            edit.set("pipeline", "name", name, "named after the folder"),
            edit.set("pipeline", "languages", languages, "the languages of the texts"),
            edit.set("finetuning", "sources", [str(data)], "the file"),
            edit.set("ingestion", "columns", dict(found.columns), "by name and content of the columns"),
        ]
        if "packaging" in edit.stages and "name" in edit.stages["packaging"]:
            changes.append(edit.set("packaging", "name", name, "named after the folder"))
        changes += _fit_validation(edit, found)
        changes += _fit_languages(edit, languages)
        if "user" in found.columns and "splitting" in edit.stages:
            changes.append(edit.set("splitting", "unit", "user", "one writer must not stand in train and test"))
        changes += _fit_evaluation(edit, found)
        if "gates" in edit.stages:
            changes += fit_gates(edit.stages["gates"], found, test_items(edit.stages, found.rows))
            edit.touched.add("gates")
    return changes


def _fit_languages(edit: _Editor, languages: list[str]) -> list[Change]:
    """What names a share or a list a language elsewhere must name the same ones."""
    changes = []
    coverage = edit.stages.get("balance", {}).get("min_coverage")
    if isinstance(coverage, Mapping) and set(coverage) != set(languages):
        kept = {name: coverage.get(name, 0.0) for name in languages}
        changes.append(edit.set("balance", "min_coverage", kept, "the languages of the texts"))
    return changes


def _fit_validation(edit: _Editor, found: DataProfile) -> list[Change]:
    if "validation" not in edit.stages:
        return []
    shares = {name: _round_down(share / 2) for name, share in found.languages.items()}
    changes = [
        edit.set("validation", "min_rows", max(1, found.rows // 2), f"half of the {found.rows} records there are"),
        edit.set("validation", "min_language_share", shares, "half of the share there is"),
        edit.set("validation", "labels", list(found.labels), "the labels in the file"),
    ]
    limit = edit.stages["validation"].get("max_characters")
    if isinstance(limit, int) and found.median_characters * 20 > limit:
        value = found.median_characters * 20
        changes.append(edit.set("validation", "max_characters", value, "twenty times the median length"))
    return changes


def _fit_evaluation(edit: _Editor, found: DataProfile) -> list[Change]:
    suites = edit.stages.get("evaluation", {}).get("suites", {})
    changes = []
    if isinstance(suites.get("group_fairness"), Mapping):
        positive = next((label for label in found.labels if label.strip().lower() in _POSITIVE_NAMES), None)
        chosen = positive or next(iter(found.labels))
        suites["group_fairness"]["positive_label"] = chosen
        why = (
            "the label that counts as being selected" if positive else "the commonest label; choose the favourable one"
        )
        changes.append(_change("evaluation.suites.group_fairness.positive_label", chosen, why))
        edit.touched.add("evaluation")
    if "stereoset" in suites and "en" not in found.languages:
        del suites["stereoset"]
        changes.append(_change("evaluation.suites.stereoset", "removed", "English only, and there is no English text"))
        edit.touched.add("evaluation")
    return changes


def test_items(stages: Mapping[str, Any], rows: int) -> int:
    """Records that the test split will hold."""
    fraction = stages.get("splitting", {}).get("fractions", {}).get("test", 0.1)
    return int(rows * float(fraction))


def fit_gates(gates: Any, found: DataProfile, n: int) -> list[Change]:
    """Declare gates that cannot apply, and move thresholds and min_n to what n test items can resolve."""
    changes: list[Change] = []
    declared = gates.setdefault("not_applicable", [])
    already = {item["gate"] for item in declared}
    for gate in gates["gates"]:
        reason = _why_not(gate, found)
        if reason and gate["name"] not in already:
            declared.append({"gate": gate["name"], "reason": reason})
            changes.append(_change(f"gates.not_applicable: {gate['name']}", "declared", reason))
        elif not reason and gate["suite"] in {"task_quality", "group_fairness"}:
            changes += _fit_gate(gate, found, n)
    if not declared:
        del gates["not_applicable"]
    return changes


def _why_not(gate: Mapping[str, Any], found: DataProfile) -> str:
    """Why a gate cannot apply to this data; empty if it can."""
    suite, metric, place = gate["suite"], gate["metric"], gate.get("slice", "all")
    if suite == "exposure":
        return "no canaries are planted in this data, so their exposure cannot be measured"
    if suite == "pii_extraction" and metric != "detected_rate":
        return "no personal data was planted in this data with known places; the detected rate stands in"
    if suite == "group_fairness" and not found.groups:
        return "the data has no column that names a group; map one with ingestion.columns.group"
    if place in {"en", "zh"} and place not in found.languages:
        return f"the data has no text in {place}"
    if suite == "stereoset" and "en" not in found.languages:
        return "the suite is English only and the data has no English text"
    return ""


def _fit_gate(gate: Any, found: DataProfile, n: int) -> list[Change]:
    items = n
    if gate.get("slice") == "each_language":
        items = int(n * min(found.languages.values()))
    changes = []
    key = f"gates.{gate['name']}"
    if gate["min_n"] > items:
        gate["min_n"] = max(_MIN_TEST_ITEMS, int(0.8 * items))
        changes.append(_change(f"{key}.min_n", gate["min_n"], f"the test split will hold about {items} items"))
    proposed = propose_threshold(gate, found, items)
    if proposed is not None and proposed != gate["threshold"]:
        why = f"about {items} items resolve ±{half_width(0.5, items):.2f}"
        if gate["suite"] == "task_quality":
            why += f"; always answering the commonest label is right {_majority(found):.0%} of the time"
        gate["threshold"] = proposed
        changes.append(_change(f"{key}.threshold", proposed, why))
    return changes


def propose_threshold(gate: Mapping[str, Any], found: DataProfile, n: int) -> float | None:
    """A threshold that n items can decide about, or None to leave it.

    Accuracy must beat the commonest label by an interval; a difference between groups cannot be shown to be smaller
    than the interval of two shares of n / 2 items each.
    """
    threshold = gate["threshold"]
    if n < 1 or isinstance(threshold, Mapping):
        return None
    if gate["metric"] == "accuracy" and gate["direction"] == "min":
        floor = _majority(found) + half_width(_majority(found), n)
        return max(float(threshold), round(floor, 2)) if floor < 1 else None
    if gate["suite"] == "group_fairness" and gate["direction"] == "max":
        smallest = math.sqrt(2) * half_width(0.3, max(1, n // 2))
        return max(float(threshold), math.ceil(100 * 1.2 * smallest) / 100)
    return None


def half_width(share: float, n: int) -> float:
    """Half of the normal 95 % interval of a share of n items."""
    return _Z * math.sqrt(share * (1 - share) / max(1, n))


def _majority(found: DataProfile) -> float:
    return max(found.labels.values()) / sum(found.labels.values())


def _round_down(value: float) -> float:
    return math.floor(value * 100) / 100


def _change(key: str, value: object, why: str) -> Change:
    return {"key": key, "value": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), "why": why}


def _in_place_of(old: Any, new: Any) -> Any:
    """A list or mapping on one line, with the comments that hung on what it replaces (the next key's among them)."""
    from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq

    if not isinstance(new, list | dict):
        return new
    written: Any = CommentedSeq(new) if isinstance(new, list) else CommentedMap(new)
    written.fa.set_flow_style()
    if isinstance(old, CommentedBase):
        old.copy_attributes(written)
        written.fa.set_flow_style()
    return written


class _Editor:
    """A folder's YAML files, loaded with their comments and written back where they were touched."""

    def __init__(self, folder: Path) -> None:
        from ruamel.yaml import YAML

        self._folder = folder
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.width = 4096  # lines stay as they were written
        self._yaml.indent(mapping=2, sequence=4, offset=2)
        self.stages: dict[str, Any] = {
            path.stem: self._yaml.load(path.read_text(encoding="utf-8")) or {} for path in sorted(folder.glob("*.yaml"))
        }
        self.touched: set[str] = set()

    def __enter__(self) -> _Editor:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            for stage in sorted(self.touched):
                with (self._folder / f"{stage}.yaml").open("w", encoding="utf-8") as handle:
                    self._yaml.dump(self.stages[stage], handle)

    def set(self, stage: str, key: str, value: Any, why: str) -> Change:
        """Set a top-level key of a stage's file."""
        if stage not in self.stages:
            raise ConfigError(f"{self._folder}: the profile has no {stage}.yaml to set {key} in")
        self.stages[stage][key] = _in_place_of(self.stages[stage].get(key), value)
        self.touched.add(stage)
        return _change(f"{stage}.{key}", value, why)
