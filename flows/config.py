"""Configuration: a folder of YAML files, one a stage, read into one typed object.

In: ``flows/configs/<profile>/`` or a folder of one's own, and ``STAGE.KEY=VALUE`` overrides that go through the same
schemas. Out: a PipelineConfig; below it everybody gets a whole typed config. All problems are reported at once, each
with its file and key.

``seed`` and ``languages`` stand once, in ``pipeline.yaml``, and are handed to every stage that has such a field.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from components.cleaning.config import CleaningConfig, SplitConfig
from components.core.config import StageConfig
from components.core.errors import ConfigError
from components.core.remote import S3_PREFIX
from components.documentation.config import DocumentationConfig, StageConfigs
from components.evaluation.config import EvaluationConfig
from components.fairness.config import BalanceConfig
from components.gates.config import GatesConfig
from components.ingestion.config import EMBEDDED, IngestionConfig, SourceConfig
from components.ingestion.sources import HUB_PREFIX, STDIN
from components.modeling.config import FinetuningConfig, PretrainingConfig
from components.packaging.config import PackagingConfig
from components.release.config import ReleaseConfig
from components.safety.config import SafetyConfig
from components.scrubbing.config import ScrubbingConfig
from components.tokenization.config import EncodingConfig, TokenizerConfig
from components.validation.config import DriftConfig, ValidationConfig

PROFILES_DIR = Path(__file__).parent / "configs"
PROFILES = ("demo", "finetune", "public", "full")
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_+.-]*$", max_length=60)]
Purpose = Literal["pretraining", "finetuning"]
Skippable = Literal["scrubbing", "cleaning", "balance"]


class CandidateConfig(StageConfig):
    """A named set of stage configs in one run: the run's own, less what is skipped, with overrides."""

    name: Name = Field(description="Shown in tables, tags and run names.")
    skip: tuple[Skippable, ...] = Field(default=(), description="Data stages that this candidate does without.")
    overrides: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Stage to keys that differ from the run's own."
    )

    def left_out_of_digest(self) -> dict[str, Any]:
        """What an override says of workers changes as little as where the stage's own file says it."""
        named = {stage: set(STAGES[stage].without_effect) for stage in self.overrides if stage in STAGES}
        return {"overrides": named}


class RunSettings(StageConfig):
    """``pipeline.yaml``: what the run is called and which candidates it trains."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"side_by_side"})

    name: Name = Field(description="Experiment and registered model.")
    seed: int = Field(ge=0, description="Every other seed follows from it.")
    languages: tuple[Literal["en", "zh"], ...] = Field(min_length=1, description="Languages that must be present.")
    data_root: str | None = Field(
        default=None, description="Folder that relative paths of sources and suites start at; null: the current one."
    )
    candidates: tuple[CandidateConfig, ...] = Field(min_length=1, description="Trained and judged in one run.")
    side_by_side: int = Field(default=1, ge=1, le=64, description="Candidates at work at once; they share the cores.")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) < len(names):
            raise ValueError("candidates: two candidates have the same name")
        return self


class IngestionStage(IngestionConfig):
    """``ingestion.yaml``: how sources are read; which ones stands with the stage that trains on them."""

    sources: tuple[str | SourceConfig, ...] = Field(default=(), description="Stands in pretraining and finetuning.")


class PretrainingStage(PretrainingConfig):
    """``pretraining.yaml``: the text and the training on it."""

    sources: tuple[str | SourceConfig, ...] = Field(min_length=1, description="Pretraining text.")
    reference_epochs: float | None = Field(
        gt=0, description="Passes of the membership attack's reference model over the holdout; null: no reference."
    )

    def reference_config(self) -> PretrainingConfig | None:
        """The same training, shorter, for the reference model."""
        if self.reference_epochs is None:
            return None
        values = self.model_dump(exclude={"sources", "reference_epochs"}) | {"epochs": self.reference_epochs}
        values["privacy"] = None  # trained on the holdout, never released: it stands for somebody who knows the data
        return PretrainingConfig.model_validate(values)


class FinetuningStage(FinetuningConfig):
    """``finetuning.yaml``: the task data, the starting point and the training."""

    sources: tuple[str | SourceConfig, ...] = Field(min_length=1, description="Task data.")
    checkpoint: str | None = Field(
        default=None,
        description="Local Hugging Face folder or hub id to start from; null starts from this run's own pretraining.",
    )


class PipelineConfig(StageConfig):
    """Everything that one run needs, a field a stage."""

    profile: str = Field(description="Profile or folder it was read from.")
    pipeline: RunSettings
    ingestion: IngestionStage
    validation: ValidationConfig
    drift: DriftConfig
    scrubbing: ScrubbingConfig
    cleaning: CleaningConfig
    splitting: SplitConfig
    documentation: DocumentationConfig | None = None
    balance: BalanceConfig
    tokenizer: TokenizerConfig | None
    encoding: EncodingConfig | None
    pretraining: PretrainingStage | None
    finetuning: FinetuningStage
    safety: SafetyConfig
    packaging: PackagingConfig
    evaluation: EvaluationConfig
    gates: GatesConfig
    release: ReleaseConfig

    @model_validator(mode="after")
    def _starting_point(self) -> Self:
        pretraining = (self.tokenizer, self.encoding, self.pretraining)
        if any(part is None for part in pretraining) and any(part is not None for part in pretraining):
            raise ValueError("tokenizer, encoding, pretraining: give all three files or none")
        if self.pretraining is None and self.finetuning.checkpoint is None:
            raise ValueError("finetuning.checkpoint: needed where there is no pretraining.yaml")
        for purpose in self.purposes:
            self.ingestion_of(purpose)
        return self

    @model_validator(mode="after")
    def _private_data_alike(self) -> Self:
        if self.finetuning.privacy is not None and self.balance.reweigh:
            raise ValueError(
                "balance.reweigh and finetuning.privacy: weights would be made from everybody's records; set "
                "balance.reweigh: false"
            )
        return self

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """The corpora that this run reads."""
        return ("finetuning",) if self.pretraining is None else ("pretraining", "finetuning")

    def ingestion_of(self, purpose: Purpose) -> IngestionConfig:
        """The ingestion config with one purpose's sources."""
        stage = self.pretraining if purpose == "pretraining" else self.finetuning
        if stage is None:
            raise ConfigError("pretraining.sources: this run has no pretraining")
        values = self.ingestion.model_dump() | {"purpose": purpose, "sources": stage.sources}
        return IngestionConfig.model_validate(values)

    def balance_of(self, purpose: Purpose) -> BalanceConfig:
        """The balance config; weights belong to the task data, pretraining text has no labels to weigh."""
        return self.balance.model_copy(update={"reweigh": False}) if purpose == "pretraining" else self.balance

    def stage_configs(self, purpose: Purpose) -> StageConfigs:
        """What a data card says of the settings; a data set without a name of its own is named after the pipeline."""
        documentation = self.documentation or DocumentationConfig(name=self.pipeline.name)
        named = documentation.model_copy(update={"name": f"{documentation.name}-{purpose}"})
        return StageConfigs(self.ingestion_of(purpose), self.scrubbing, self.splitting, named)

    def facts(self) -> dict[str, str]:
        """Tags of a run: what was asked for."""
        return {
            "touchstone.profile": self.profile,
            "touchstone.pipeline": self.pipeline.name,
            "touchstone.seed": str(self.pipeline.seed),
            "touchstone.languages": ",".join(self.pipeline.languages),
            "touchstone.config_digest": self.digest(),
        }

    def for_candidate(self, candidate: CandidateConfig) -> PipelineConfig:
        """The run's config with one candidate's overrides, through the same schemas."""
        problems: list[str] = []
        changed = {}
        for stage, values in candidate.overrides.items():
            where = f"pipeline.yaml: candidates.{candidate.name}.overrides.{stage}"
            if stage in STAGES and getattr(self, stage) is not None:
                changed[stage] = _parse(STAGES[stage], getattr(self, stage).model_dump() | values, where, problems)
            else:
                problems.append(f"{where}: no such stage in this run{_nearest(stage, STAGES)}")
        _refuse(problems)
        return self.model_copy(update=changed)


STAGES: dict[str, type[StageConfig]] = {
    "pipeline": RunSettings,
    "ingestion": IngestionStage,
    "validation": ValidationConfig,
    "drift": DriftConfig,
    "scrubbing": ScrubbingConfig,
    "cleaning": CleaningConfig,
    "splitting": SplitConfig,
    "documentation": DocumentationConfig,
    "balance": BalanceConfig,
    "tokenizer": TokenizerConfig,
    "encoding": EncodingConfig,
    "pretraining": PretrainingStage,
    "finetuning": FinetuningStage,
    "safety": SafetyConfig,
    "packaging": PackagingConfig,
    "evaluation": EvaluationConfig,
    "gates": GatesConfig,
    "release": ReleaseConfig,
}
OPTIONAL_STAGES = frozenset({"tokenizer", "encoding", "pretraining", "documentation"})
SHARED_KEYS = ("seed", "languages")
OF_EVALUATION = "evaluation"
# Suites whose data are what was planted in, or found in, the training text itself.
ABOUT_TRAINING_DATA = frozenset({"data_quality", "exposure", "membership", "pii_extraction"})


def load_config(
    profile: str | None = None, config_dir: Path | None = None, overrides: list[str] | None = None
) -> PipelineConfig:
    """Read a profile or a folder, apply ``STAGE.KEY=VALUE`` overrides, validate everything.

    Raises:
        ConfigError: unknown profile, missing file, unknown stage or key, a value out of bounds; the message has a
            line for every problem.
    """
    folder = _find_folder(profile, config_dir)
    values = {stage: _read_yaml(folder, stage) for stage in STAGES if (folder / f"{stage}.yaml").exists()}
    _check_files(folder, values)
    for override in overrides or []:
        _apply(values, override)
    _root_paths(values)
    _protect_benchmarks(values)
    shared = {key: values["pipeline"][key] for key in SHARED_KEYS if key in values["pipeline"]}
    problems: list[str] = []
    stages = {
        stage: _parse(STAGES[stage], _with_shared(STAGES[stage], given, shared), f"{folder / stage}.yaml", problems)
        for stage, given in values.items()
    }
    _refuse(problems)
    absent = dict.fromkeys(OPTIONAL_STAGES - set(stages))
    try:
        return PipelineConfig(profile=profile or folder.name, **stages, **absent)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{folder}: {_text(item)}" for item in error.errors())) from error


def _root_paths(values: dict[str, dict[str, Any]]) -> None:
    """Put ``pipeline.data_root`` before every relative path of a source, a suite's data and a protected benchmark."""
    root = values.get("pipeline", {}).get("data_root")
    if not isinstance(root, str):
        return
    for stage in ("pretraining", "finetuning"):
        if isinstance(sources := values.get(stage, {}).get("sources"), list):
            values[stage]["sources"] = [
                source | {"path": _rooted(root, source["path"])} if isinstance(source, dict) and "path" in source
                else _rooted(root, source)
                for source in sources
            ]  # fmt: skip
    suites = values.get("evaluation", {}).get("suites")
    for suite in suites.values() if isinstance(suites, dict) else ():
        if isinstance(suite, dict) and isinstance(suite.get("data"), list):
            suite["data"] = [_rooted(root, path) for path in suite["data"]]
    protected = values.get("cleaning", {}).get("protect")
    if isinstance(protected, list):
        values["cleaning"]["protect"] = [path if path == OF_EVALUATION else _rooted(root, path) for path in protected]
    elif isinstance(protected, dict):
        values["cleaning"]["protect"] = {
            name: [_rooted(root, path) for path in paths] if isinstance(paths, list) else paths
            for name, paths in protected.items()
        }


def _protect_benchmarks(values: dict[str, dict[str, Any]]) -> None:
    """Put the files of every benchmark that is evaluated where ``cleaning.protect`` says or implies `evaluation`."""
    cleaning, given = values.get("cleaning", {}), values.get("cleaning", {}).get("protect", OF_EVALUATION)
    suites = values.get("evaluation", {}).get("suites")
    if given != OF_EVALUATION and not (isinstance(given, list) and OF_EVALUATION in given):
        return
    named = {
        name: list(suite["data"])
        for name, suite in (suites.items() if isinstance(suites, dict) else ())
        if name not in ABOUT_TRAINING_DATA and isinstance(suite, dict) and isinstance(suite.get("data"), list)
    }
    others = [path for path in given if path != OF_EVALUATION] if isinstance(given, list) else []
    cleaning["protect"] = named | {Path(str(path)).name: [path] for path in others}


def _rooted(root: str, path: Any) -> Any:
    if not isinstance(path, str) or path in {EMBEDDED, STDIN} or path.startswith((HUB_PREFIX, S3_PREFIX)):
        return path
    return str(Path(root) / path)


def _find_folder(profile: str | None, config_dir: Path | None) -> Path:
    if config_dir is not None:
        if not config_dir.is_dir():
            raise ConfigError(f"{config_dir}: no such folder; make one with: touchstone init {config_dir}")
        return config_dir
    name = profile or "demo"
    if name not in PROFILES:
        raise ConfigError(f"--profile {name}: unknown; known: {', '.join(PROFILES)}{_nearest(name, PROFILES)}")
    return PROFILES_DIR / name


def _read_yaml(folder: Path, stage: str) -> dict[str, Any]:
    path = folder / f"{stage}.yaml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}:{line} not valid YAML: {getattr(error, 'problem', error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(data).__name__}")
    return data


def _check_files(folder: Path, values: Mapping[str, Any]) -> None:
    problems = [
        f"{folder / stage}.yaml: missing; copy it with: touchstone init DIR"
        for stage in STAGES
        if stage not in values and stage not in OPTIONAL_STAGES
    ]
    for path in sorted(folder.glob("*.y*ml")):
        if path.suffix != ".yaml" or path.stem not in STAGES:
            problems.append(f"{path}: no stage has this name{_nearest(path.stem, STAGES)}")
    _refuse(problems)


def _apply(values: dict[str, dict[str, Any]], override: str) -> None:
    """Set one dotted key; list items are addressed by number or by their ``name``."""
    path, equals, text = override.partition("=")
    keys = path.split(".")
    if not equals or len(keys) < 2:
        raise ConfigError(f"--set {override}: expected STAGE.KEY=VALUE")
    if keys[0] not in values:
        raise ConfigError(f"--set {override}: no stage {keys[0]!r} in this profile{_nearest(keys[0], values)}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from error
    target: Any = values[keys[0]]
    for key in keys[1:-1]:
        target = _step(target, key, override)
    if isinstance(target, list):
        target[_index(target, keys[-1], override)] = value
    elif isinstance(target, dict):
        target[keys[-1]] = value
    else:
        raise ConfigError(f"--set {override}: {keys[-1]!r} has no parent to be set in")


def _step(target: Any, key: str, override: str) -> Any:
    if isinstance(target, list):
        return target[_index(target, key, override)]
    if isinstance(target, dict):
        return target.setdefault(key, {})
    raise ConfigError(f"--set {override}: {key!r} is not a section")


def _index(items: list[Any], key: str, override: str) -> int:
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if key in names:
        return names.index(key)
    if key.isdigit() and int(key) < len(items):
        return int(key)
    known = ", ".join(str(name) for name in names if name)
    raise ConfigError(f"--set {override}: no item {key!r}; known: {known or f'0 to {len(items) - 1}'}")


def _with_shared(schema: type[StageConfig], given: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Hand the run's seed and languages to a stage and to configs nested in it that have such a field."""
    values = {key: value for key, value in shared.items() if key in schema.model_fields} | dict(given)
    for name, info in schema.model_fields.items():
        nested = _config_type(info.annotation)
        if nested is not None and isinstance(values.get(name), dict):
            values[name] = _with_shared(nested, values[name], shared)
    return values


def _config_type(annotation: Any) -> type[StageConfig] | None:
    options = [annotation, *getattr(annotation, "__args__", ())]
    found = [option for option in options if isinstance(option, type) and issubclass(option, StageConfig)]
    return found[0] if found else None


def _parse(schema: type[StageConfig], values: Mapping[str, Any], where: str, problems: list[str]) -> StageConfig | None:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        for item in error.errors():
            hint = ""
            if item["type"] == "extra_forbidden":
                hint = _nearest(str(item["loc"][-1]), schema.model_fields)
            problems.append(f"{where}: {_text(item)}{hint}")
        return None


def _text(item: Any) -> str:
    key = ".".join(map(str, item["loc"]))
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = "unknown key"
    elif item["type"] == "missing":
        message = "missing; a value must be stated"
    return f"{key}: {message}" if key else message


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError("\n".join(problems))
