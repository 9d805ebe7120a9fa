"""Which evidence of a release supports which clause. It says "supports" and never more; what is missing stays empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import ClassVar

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from components.core.jsonfiles import read_json
from components.documentation.words import Lang
from components.dossier.facts import DossierFacts


@dataclass(frozen=True)
class Support:
    """A piece of evidence: what it is in both languages, and the document of the folder that shows it."""

    en: str
    zh: str
    document: str

    def text(self, lang: Lang) -> str:
        """What it is."""
        return self.en if lang == "en" else self.zh


class Item(BaseModel):
    """A clause in our own short words, and the finders that may support it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    id: str
    en: str
    zh: str
    evidence: tuple[str, ...]

    @model_validator(mode="after")
    def _known(self) -> Item:
        if unknown := sorted(set(self.evidence) - set(FINDERS)):
            raise ValueError(f"{self.id}: no finder named {', '.join(unknown)}")
        return self

    def text(self, lang: Lang) -> str:
        """What it asks for."""
        return self.en if lang == "en" else self.zh

    def support(self, facts: DossierFacts) -> list[Support]:
        """What this release has for it; empty where nobody recorded anything."""
        return [found for name in self.evidence if (found := FINDERS[name](facts)) is not None]


class Framework(BaseModel):
    """A law or a framework."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    title: dict[Lang, str]
    source: str
    items: tuple[Item, ...]


@cache
def frameworks() -> tuple[Framework, ...]:
    """Both frameworks, from ``compliance.yaml`` beside this module."""
    text = resources.files(__package__).joinpath("compliance.yaml").read_text(encoding="utf-8")
    return tuple(Framework.model_validate(entry) for entry in yaml.safe_load(text))


def _identity(facts: DossierFacts) -> Support:
    languages, labels = ", ".join(facts.manifest.languages), ", ".join(facts.manifest.labels)
    name = f"{facts.promoted.name} v{facts.promoted.version}"
    return Support(
        f"{name}, task {facts.manifest.task}, languages {languages}, answers {labels}",
        f"{name}，任务 {facts.manifest.task}，语言 {languages}，输出 {labels}",
        "model-card",
    )


def _lifecycle(facts: DossierFacts) -> Support:
    before = facts.promoted.previous
    return Support(
        f"every promotion is logged and can be rolled back; before this: {f'v{before}' if before else 'no version'}",
        f"每次晋级均有记录且可回退；此前为：{f'v{before}' if before else '无'}",
        "index",
    )


def _software(facts: DossierFacts) -> Support | None:
    count = len(facts.software)
    return _if(count, f"{count} libraries with versions", f"{count} 个库及其版本", "ml-bom")


def _files(facts: DossierFacts) -> Support:
    count = len(facts.manifest.files)
    return Support(f"{count} files with SHA-256", f"{count} 个文件及其 SHA-256", "ml-bom")


def _provenance(facts: DossierFacts) -> Support | None:
    count = len(facts.seal.data_digests)
    return _if(count, f"digests of {count} data artefacts, signed", f"{count} 个数据制品的摘要（已签名）", "model-card")


def _data(facts: DossierFacts) -> Support | None:
    names = ", ".join(sorted(facts.data))
    return _if(len(facts.data), f"data cards and Croissant: {names}", f"数据卡与 Croissant：{names}", "data")


def _verdict(facts: DossierFacts) -> Support:
    count = len(facts.verdict.gates)
    return Support(
        f"{count} gates judged {facts.verdict.created[:10]}, sealed {facts.seal.created:%Y-%m-%d}, signed",
        f"{count} 个门禁，判定于 {facts.verdict.created[:10]}，封存于 {facts.seal.created:%Y-%m-%d}，已签名",
        "scorecard",
    )


def _approvals(facts: DossierFacts) -> Support | None:
    counted = [item for item in facts.counted if item.predicate and item.predicate.kind == "approve" and item.key]
    roles = ", ".join(sorted({item.key.role for item in counted if item.key}))
    return _if(
        len(counted),
        f"{len(counted)} signed approval(s), role {roles}",
        f"{len(counted)} 份签名批准，角色 {roles}",
        "index",
    )


def _policy(facts: DossierFacts) -> Support:
    needed = ", ".join(f"{item.count} × {item.role}" for item in facts.policy.required_approvals)
    return Support(f"pinned approval policy: {needed}", f"已固定的批准策略：{needed}", "index")


def _audit(_: DossierFacts) -> Support:
    return Support(
        "every attempt to change the registry is in a hash-chained log",
        "对注册表的每次更改尝试都写入哈希链日志",
        "threat-model",
    )


def _seal(facts: DossierFacts) -> Support:
    signer = next((check.detail for check in facts.tree.checks if check.name == "statement"), "")
    return Support(
        f"payload sealed, {signer}; verified at every load", f"载荷已封存（{signer}）；每次加载均验证", "index"
    )


def _threats(_: DossierFacts) -> Support:
    return Support("threat model of the release", "发布的威胁模型", "threat-model")


def _limits(facts: DossierFacts) -> Support | None:
    count = sum(len(report.notes) for report in facts.evidence.suites.values())
    count += sum(gate.decision == "not_applicable" for gate in facts.verdict.gates)
    return _if(count, f"{count} notes and declared exceptions", f"{count} 条说明与声明的例外", "scorecard")


def _tests(facts: DossierFacts) -> Support | None:
    return _suites(facts, tuple(facts.evidence.suites))


def _drift(facts: DossierFacts) -> Support | None:
    judged = [folder for folder in facts.data.values() if read_json(folder / "facts.json").get("drift")]
    return _if(len(judged), "training data compared with its reference", "训练数据已与参考数据比较", "data")


def _measured(*suites: str) -> Callable[[DossierFacts], Support | None]:
    return lambda facts: _suites(facts, suites)


def _suites(facts: DossierFacts, names: Iterable[str]) -> Support | None:
    found = [(name, facts.evidence.suites[name].n) for name in names if name in facts.evidence.suites]
    shown = ", ".join(f"{name} (n {n:,})" for name, n in found)
    return _if(len(found), shown, shown, "scorecard")


def _if(count: int, en: str, zh: str, document: str) -> Support | None:
    return Support(en, zh, document) if count else None


FINDERS: Mapping[str, Callable[[DossierFacts], Support | None]] = {
    "identity": _identity,
    "lifecycle": _lifecycle,
    "software": _software,
    "files": _files,
    "provenance": _provenance,
    "data": _data,
    "tests": _tests,
    "quality": _measured("task_quality", "perplexity", "data_quality"),
    "fairness": _measured("crows_pairs", "stereoset", "seat", "winobias", "bbq", "counterfactual", "group_fairness"),
    "privacy": _measured("exposure", "membership", "pii_extraction"),
    "safety": _measured("hatecheck", "robustness", "overrefusal"),
    "verdict": _verdict,
    "approvals": _approvals,
    "policy": _policy,
    "audit": _audit,
    "seal": _seal,
    "threats": _threats,
    "limits": _limits,
    "drift": _drift,
}
