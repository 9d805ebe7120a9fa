"""CycloneDX 1.6 machine-learning bill of materials: the model with its card, its files, its data, its software.

The library for CycloneDX knows no model cards yet, so the document is made here by the published schema, which the
library carries and ``check`` validates with. Sources: https://cyclonedx.org/docs/1.6/json/ ,
https://cyclonedx.org/capabilities/mlbom/ .
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.core.evidence import Metric
from components.core.jsonfiles import read_json
from components.dossier.facts import DossierFacts

SPEC_VERSION = "1.6"
_NAMESPACE = uuid.UUID("6f0c9f0e-6f6b-5d55-9d1e-0c1f7ad7f0a4")  # ours; a release always gets the same serial number
_MODEL_REF = "model"
_SHA256 = re.compile(r"(sha256:)?[0-9a-f]{64}")
_FAIRNESS_SUITES = ("crows_pairs", "stereoset", "counterfactual", "group_fairness")


def make_bom(facts: DossierFacts) -> dict[str, Any]:
    """The bill of materials as JSON-able values; the same facts give the same document."""
    promoted = facts.promoted
    files, data, software = list(_files(facts)), list(_data(facts)), list(_software(facts.software))
    parts = [*files, *data, *software]
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{promoted.name} {facts.payload_digest}')}",
        "version": int(promoted.version) if promoted.version.isdigit() else 1,
        "metadata": {
            "timestamp": promoted.moment.isoformat(timespec="seconds"),
            "lifecycles": [{"phase": "operations"}],
            "tools": {"components": [{"type": "application", "name": "touchstone"}]},
            "component": _model(facts, [item["bom-ref"] for item in data]),
        },
        "components": parts,
        "dependencies": [
            {"ref": _MODEL_REF, "dependsOn": [item["bom-ref"] for item in parts]},
            *({"ref": item["bom-ref"]} for item in parts),
        ],
    }


def _model(facts: DossierFacts, data: list[str]) -> dict[str, Any]:
    manifest = facts.manifest
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL_REF,
        "name": facts.promoted.name,
        "version": facts.promoted.version,
        "hashes": [_hash(facts.payload_digest)],
        "modelCard": {
            "bom-ref": "model-card",
            "modelParameters": {
                "task": manifest.task,
                "datasets": [{"ref": ref} for ref in data],
                "inputs": [{"format": f"text ({', '.join(manifest.languages)})"}],
                "outputs": [{"format": f"one of: {', '.join(manifest.labels)}"}] if manifest.labels else [],
            },
            "quantitativeAnalysis": {"performanceMetrics": list(_metrics(facts))},
            "considerations": _considerations(facts),
        },
        "properties": [
            _property("payload_digest", facts.payload_digest),
            _property("verdict_digest", facts.seal.verdict_digest),
            _property("gates_digest", facts.seal.config_digest),
            _property("evidence_digest", facts.seal.evidence_digest),
            _property("decision", facts.verdict.decision),
            _property("alias", facts.promoted.alias),
            *(_property(f"data_digest.{role}", digest) for role, digest in sorted(facts.seal.data_digests.items())),
        ],
    }


def _considerations(facts: DossierFacts) -> dict[str, Any]:
    fairness = [
        {"groupAtRisk": place, "benefits": "not recorded", "harms": f"{suite}.{name}: {_shown(metric)}"}
        for suite in _FAIRNESS_SUITES
        if (report := facts.evidence.suites.get(suite)) is not None
        for place, metrics in sorted(report.slices.items())
        for name, metric in sorted(metrics.items())
    ]
    limits = [f"{suite}: {note}" for suite, report in facts.evidence.suites.items() for note in report.notes]
    limits += [f"{gate.name}: {gate.reason}" for gate in facts.verdict.gates if gate.decision == "not_applicable"]
    ethics = [
        {"name": gate.name, "mitigationStrategy": f"gate {gate.decision}: {gate.reason}"}
        for gate in facts.verdict.gates
        if gate.severity == "block"
    ]
    found = {"technicalLimitations": limits, "ethicalConsiderations": ethics, "fairnessAssessments": fairness}
    return {key: value for key, value in found.items() if value}


def _metrics(facts: DossierFacts) -> Iterator[dict[str, Any]]:
    for suite, report in sorted(facts.evidence.suites.items()):
        for place, metrics in [("", report.metrics), *sorted(report.slices.items())]:
            for name, metric in sorted(metrics.items()):
                if metric.value is None:
                    continue
                entry: dict[str, Any] = {"type": f"{suite}.{name}", "value": f"{metric.value:.6g}"}
                if place:
                    entry["slice"] = place
                if metric.ci_low is not None and metric.ci_high is not None:
                    entry["confidenceInterval"] = {
                        "lowerBound": f"{metric.ci_low:.6g}",
                        "upperBound": f"{metric.ci_high:.6g}",
                    }
                yield entry


def _files(facts: DossierFacts) -> Iterator[dict[str, Any]]:
    for name, file in sorted(facts.manifest.files.items()):
        yield {
            "type": "file",
            "bom-ref": f"file:{name}",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": file.sha256}],
            "properties": [_property("bytes", str(file.bytes))],
        }


def _data(facts: DossierFacts) -> Iterator[dict[str, Any]]:
    """Data sets that are documented, then the other data artefacts behind the payload, by digest alone."""
    for purpose, folder in sorted(facts.data.items()):
        known = read_json(folder / "facts.json")
        records = sum(split["records"] for split in known["splits"])
        yield {
            "type": "data",
            "bom-ref": f"data:{purpose}",
            "name": known["declared"]["name"],
            "version": known["declared"]["version"],
            "description": f"{purpose}, {records} records",
            **_hashes(known["digests"]["splits"]),
            "data": [{"type": "dataset", "name": known["declared"]["name"], **_governance(known["declared"])}],
            **_licenses(known),
        }
    for role, digest in sorted(facts.seal.data_digests.items()):
        yield {"type": "data", "bom-ref": f"artefact:{role}", "name": role, **_hashes(digest)}


def _governance(declared: Mapping[str, Any]) -> dict[str, Any]:
    owner = declared.get("creator")
    return {"governance": {"owners": [{"organization": {"name": owner}}]}} if owner else {}


def _licenses(known: Mapping[str, Any]) -> dict[str, Any]:
    """Licences as the sources name them, which need not be SPDX's names."""
    named = {source["license"] for source in known["sources"] if source["license"]}
    named |= {name for split in known["splits"] for name in split["licenses"]}
    return {"licenses": [{"license": {"name": name}} for name in sorted(named)]} if named else {}


def _software(versions: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name, version in sorted(versions.items()):
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _hash(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest.removeprefix("sha256:")}


def _hashes(digest: str) -> dict[str, Any]:
    """A digest that somebody else recorded, where it is a whole SHA-256; the schema takes nothing else."""
    return {"hashes": [_hash(digest)]} if _SHA256.fullmatch(digest) else {}


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": f"touchstone:{name}", "value": value}


def _shown(metric: Metric) -> str:
    if metric.value is None:
        return metric.note or "not measured"
    interval = (
        "" if metric.ci_low is None or metric.ci_high is None else f" [{metric.ci_low:.3g}, {metric.ci_high:.3g}]"
    )
    return f"{metric.value:.3g}{interval}, n {metric.n}"


def bom_file(folder: Path) -> Path:
    """Where a dossier keeps the document."""
    return folder / "ml-bom.cdx.json"
