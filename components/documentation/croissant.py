"""Croissant 1.1 JSON-LD of a corpus, with the responsible-AI fields, from the facts alone.

Formats: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html and, for ``rai:``,
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html. Properties that nothing was recorded for (who
annotated, by which platform, social impact) are left out: an absent property is honest, an invented one is not.
The text is English, as the property names are; the card says the same in Chinese.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from components.core.intervals import wilson_interval
from components.documentation.facts import DataFacts, SourceFacts, SplitFacts, StageFacts

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_SPLITS = {
    "train": "cr:TrainingSplit",
    "dev": "cr:ValidationSplit",
    "test": "cr:TestSplit",
    "holdout": "cr:Split",  # Croissant has no word for records that are neither trained on nor scored
}
_FIELD_TEXTS = {
    "id": "Id of the record, unique over all splits.",
    "text": "Text of the record.",
    "lang": "Language of the text: en or zh.",
    "label": "Label of the record.",
    "group": "Group of people that the record is about, as the data names it.",
    "timestamp": "When the record was made, as the data says.",
    "license": "Licence of the record.",
}


def make_croissant(facts: DataFacts, fields: tuple[str, ...]) -> dict[str, Any]:
    """The JSON-LD document; ``fields`` are the columns of the data files; those without a value are left out."""
    present = [name for name in fields if facts.total("fields").get(name)]
    declared = facts.declared
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": declared.name,
        "description": _description(facts),
        "conformsTo": list(CONFORMS_TO),
        "version": declared.version,
        "inLanguage": [lang for lang in facts.total("languages") if lang in {"en", "zh"}],
        "keywords": ["text", facts.purpose, *facts.total("languages")],
        "isLiveDataset": False,
        **({"license": facts.license_names} if facts.license_names else {}),
        **({"url": declared.url} if declared.url else {}),
        **({"creator": {"@type": "sc:Organization", "name": declared.creator}} if declared.creator else {}),
        **({"datePublished": declared.published.isoformat()} if declared.published else {}),
        **_responsible(facts),
        "prov:wasDerivedFrom": [_derived(source) for source in facts.sources],
        "prov:wasGeneratedBy": [_activity(stage, facts) for stage in facts.stages if not stage.skipped],
        "distribution": list(_distribution(facts)),
        "recordSet": [_split_set(facts), *(_record_set(split, present) for split in facts.splits)],
    }
    return document


def _description(facts: DataFacts) -> str:
    languages = ", ".join(f"{lang} {count:,}" for lang, count in facts.total("languages").items())
    return (
        f"{facts.records:,} records of text ({languages}) for {facts.purpose}. Counts, digests and the outcome of "
        "every check are in card.html, which the same pipeline made from its own records."
    )


def _distribution(facts: DataFacts) -> Iterator[dict[str, Any]]:
    for path, digest in facts.files.items():
        name = PurePosixPath(path).name
        yield {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "description": f"Records of the split {PurePosixPath(path).stem}.",
            "contentUrl": path,
            "encodingFormat": "application/x-parquet",
            "sha256": digest.removeprefix("sha256:"),
        }


def _split_set(facts: DataFacts) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
        ],
        "data": [{"splits/name": split.name, "splits/url": _SPLITS[split.name]} for split in facts.splits],
    }


def _record_set(split: SplitFacts, fields: Sequence[str]) -> dict[str, Any]:
    """One record set a split: mlcroissant 1.1 cannot read several Parquet files as one."""
    source = {"fileObject": {"@id": f"{split.name}.parquet"}}

    def column(name: str) -> dict[str, Any]:
        return {
            "@type": "cr:Field",
            "@id": f"{split.name}/{name}",
            "name": name,
            "description": _FIELD_TEXTS[name],
            "dataType": ["sc:Text", "cr:Label"] if name == "label" else "sc:Text",
            "source": source | {"extract": {"column": name}},
        }

    by_file = {
        "extract": {"fileProperty": "fullpath"},
        # The suffix may be missing: where a field refers to another, mlcroissant applies the pattern twice.
        "transform": {"regex": r"^(?:.*/)?(\w+?)(?:\.parquet)?$"},
    }
    which = {
        "@type": "cr:Field",
        "@id": f"{split.name}/split",
        "name": "split",
        "description": "Split that the record is in, by its file.",
        "dataType": "sc:Text",
        "source": source | by_file,
        "references": {"field": {"@id": "splits/name"}},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": split.name,
        "name": split.name,
        "description": f"{split.records:,} records.",
        "key": {"@id": f"{split.name}/id"},
        "field": [*map(column, fields), which],
    }


def _derived(source: SourceFacts) -> dict[str, Any]:
    digest = {"identifier": source.digest} if source.digest else {}
    license_ = {"license": source.license} if source.license else {}
    return {"@type": "prov:Entity", "prov:label": source.name, **digest, **license_}


def _activity(stage: StageFacts, facts: DataFacts) -> dict[str, Any]:
    return {"@type": "prov:Activity", "prov:label": stage.stage, "description": _stage_text(stage, facts)}


def _stage_text(stage: StageFacts, facts: DataFacts) -> str:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(stage.reasons.items()))
    text = f"{stage.stage}: read {stage.read:,}, kept {stage.kept:,}" + (f", dropped: {reasons}" if reasons else "")
    if stage.stage == "scrub" and facts.scrubbing is not None:
        counts = ", ".join(f"{label} {count:,}" for label, count in facts.spans_by_label.items())
        text += f"; policy {facts.scrubbing.policy}, values replaced: {counts or 'none'}"
    return text + (f"; {stage.changed:,} texts changed" if stage.changed else "")


def _responsible(facts: DataFacts) -> dict[str, Any]:
    """The ``rai:`` properties that there is evidence for."""
    ingest = facts.stages[0]
    sources = "; ".join(f"{s.name} ({s.files} files, {s.digest or 'no digest'})" for s in facts.sources)
    missing = ", ".join(f"{reason} {count:,}" for reason, count in sorted(ingest.reasons.items()))
    return {
        "rai:dataCollection": f"Read from {len(facts.sources)} sources; how those were collected is not recorded.",
        "rai:dataCollectionRawData": sources,
        "rai:dataCollectionMissingData": f"Records set aside while reading: {missing or 'none'}.",
        "rai:dataPreprocessingProtocol": [_stage_text(s, facts) for s in facts.stages if not s.skipped],
        "rai:personalSensitiveInformation": list(_personal(facts)),
        "rai:dataLimitations": list(_limitations(facts)),
        **({"rai:dataBiases": biases} if (biases := list(_biases(facts))) else {}),
        "rai:dataUseCases": [facts.purpose],
    }


def _personal(facts: DataFacts) -> Iterator[str]:
    if facts.scrubbing is None:
        yield "Not scrubbed: personal data stands in the texts as it was read."
    else:
        looked_for = ", ".join(facts.scrubbing.labels)
        yield f"Looked for: {looked_for}. Policy: {facts.scrubbing.policy}."
        for label, count in facts.spans_by_label.items():
            yield f"{label}: {count:,} values replaced."
        for probe in facts.scrubbing.probes:
            recall = probe.recall
            yield (
                f"{probe.label} ({probe.lang}): recall on {recall.n:,} planted values {recall.value or 0:.3f} "
                f"(95 % interval {recall.ci_low or 0:.3f} to {recall.ci_high or 1:.3f})."
            )
    for item in facts.quality.expectations:
        if item.name == "residual_personal_data" and item.observed is not None and item.n:
            low, high = wilson_interval(round(item.observed * item.n), item.n)
            yield (
                f"Residual: {item.observed:.4f} of {item.n:,} training records still hold a finding of the same "
                f"detector (95 % interval {low:.4f} to {high:.4f})."
            )


def _limitations(facts: DataFacts) -> Iterator[str]:
    yield f"Quality suite on the training split: {facts.quality.state}."
    for item in facts.quality.expectations:
        if item.state != "pass":
            yield f"{item.name}: {item.state}" + (f", observed {item.observed:g}" if item.observed is not None else "")
    if facts.drift is not None:
        drifted = ", ".join(facts.drift.drifted)
        yield f"Drift against the corpus as read: {facts.drift.state}" + (f" ({drifted})." if drifted else ".")
    if not facts.license_names:
        yield "No licence is recorded."
    languages = facts.total("languages")
    yield f"Languages: {', '.join(f'{lang} {count:,}' for lang, count in languages.items())}; no other was looked at."


def _biases(facts: DataFacts) -> Iterator[str]:
    """Labels within groups, where the data names groups."""
    groups: dict[str, dict[str, int]] = {}
    for split in facts.splits:
        for group, counts in split.groups.items():
            for label, count in counts.items():
                total = groups.setdefault(group, {})
                total[label] = total.get(label, 0) + count
    for group, counts in sorted(groups.items()):
        n = sum(counts.values())
        shares = ", ".join(f"{label or 'no label'} {count / n:.3f}" for label, count in sorted(counts.items()))
        yield f"Group {group}: {n:,} records, {shares}."
