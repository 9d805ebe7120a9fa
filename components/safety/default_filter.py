"""The filter that ships with the program, for use without a model.

``default/`` holds ``filter.json`` and ``classifier.safetensors`` as ``train_default_filter`` writes them from the
embedded harmful lines; the rules are the room's own. Where nothing has been trained, the rules judge alone.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import get_args

from components.core.hashing import digest_file, digest_value
from components.core.store import StageReport
from components.safety.config import Category, SafetyConfig
from components.safety.filter import FilterSettings, SafetyFilter
from components.safety.rules import RuleSet, load_lexicons
from components.safety.training import RULES_DIR, train_filter
from components.scrubbing.config import LABELS, ScrubbingConfig

DEFAULT_DIR = Path(__file__).parent / "default"

_FILES = ("filter.json", "classifier.safetensors")


def default_config() -> SafetyConfig:
    """What the shipped filter is trained with and does."""
    return SafetyConfig(
        seed=7,
        languages=("en", "zh"),
        categories=get_args(Category),
        block_threshold=0.9,
        target_false_positive_rate=0.01,
        refusals={"en": "I can't help with that request.", "zh": "抱歉，我无法协助处理这个请求。"},
        category_refusals={
            "self_harm": {
                "en": "I can't help with that. If you are thinking of hurting yourself, please talk now to somebody "
                "you trust or to a crisis line near you.",
                "zh": "我无法协助处理这个请求。如果你有伤害自己的念头，请现在就联系你信任的人或当地的心理援助热线。",
            }
        },
        redact_personal_data=True,
        # Rules, not the tagger: an answer may name a writer, and every answer waits for this.
        scrubbing=ScrubbingConfig.model_validate(
            {
                "languages": ("en", "zh"),
                "labels": LABELS,
                "policy": "redact",
                "min_score": 0.5,
                "detectors": ({"kind": "rules"},),
            }
        ),
    )


def default_filter(folder: Path = DEFAULT_DIR) -> SafetyFilter:
    """The shipped filter: rules, and the classifier where one has been trained."""
    if all((folder / name).exists() for name in _FILES):
        return SafetyFilter.load(folder, rules_dir=RULES_DIR)
    config = default_config()
    settings = FilterSettings.of(config, thresholds={})
    return SafetyFilter(settings, RuleSet(load_lexicons(RULES_DIR, config.categories)), None)


def default_filter_digest(folder: Path = DEFAULT_DIR) -> str:
    """Digest of what the shipped filter judges by: its trained files and its rules."""
    paths = [folder / name for name in _FILES] + sorted(RULES_DIR.glob("*.yaml"))
    return digest_value({path.name: digest_file(path) for path in paths if path.exists()})


def train_default_filter(harmful: Path, *, out_dir: Path = DEFAULT_DIR) -> StageReport:
    """Train the shipped filter from lines as ``training`` reads them and put it in place."""
    with tempfile.TemporaryDirectory() as temporary:
        report = train_filter(harmful, default_config(), out_dir=Path(temporary) / "filter")
        out_dir.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            shutil.copyfile(Path(temporary) / "filter" / name, out_dir / name)
    return report
