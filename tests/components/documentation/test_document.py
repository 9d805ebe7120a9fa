"""Data cards, Croissant and the export of a corpus that really went through every stage; counts by another road."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from testkit.offline import open_in_browser, outside_references
from testkit.prepared_corpus import SECRETS, Prepared, prepare_corpus, write_source

from components.core.corpus import read_records
from components.core.errors import ConfigError, ContractError, IntegrityError
from components.core.hashing import digest_file
from components.core.jsonfiles import read_json, write_json
from components.documentation.document import PAGES, document_corpus
from components.documentation.evidence import collect_facts
from components.documentation.export import export_dataset
from components.documentation.facts import DataFacts
from components.documentation.words import REASONS_ZH, WORDS


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    root = tmp_path_factory.mktemp("prepared")
    source = write_source(root / "reviews.jsonl")
    return prepare_corpus(root / "store", source, documentation={"creator": "Example Ltd", "published": "2026-01-02"})


@pytest.fixture(scope="module")
def documents(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents") / "out"
    folder.mkdir()
    document_corpus(prepared.folders, prepared.artefacts, prepared.configs, out_dir=folder)
    return folder


@pytest.fixture(scope="module")
def facts(documents: Path) -> DataFacts:
    return DataFacts.model_validate(read_json(documents / "facts.json"))


def test_counts_are_those_of_the_records(facts: DataFacts, prepared: Prepared) -> None:
    """Another road: the source file and the shards, counted with pandas."""
    frames = {
        name: pd.DataFrame(read_records(prepared.folders["splits"] / name))
        for name in ("train", "dev", "test", "holdout")
    }
    everything = pd.concat(frames.values())
    assert facts.records == len(everything)
    for split in facts.splits:
        frame = frames[split.name]
        assert split.languages == frame["lang"].value_counts().to_dict()
        assert split.labels == frame["label"].value_counts().to_dict()
        for lang, part in frame.groupby("lang"):
            expected = [round(part["text"].str.len().quantile(q)) for q in (0.05, 0.5, 0.95)]
            assert list(split.characters[str(lang)]) == expected
    pairs = Counter(zip(everything["group"], everything["label"], strict=True))
    found = Counter[tuple[str, str]]()
    for split in facts.splits:
        for group, counts in split.groups.items():
            found.update({(group, label): count for label, count in counts.items()})
    assert found == pairs


def test_the_path_from_source_to_splits_by_hand(facts: DataFacts) -> None:
    """243 rows were written: one is blank, two are copies."""
    path = [(stage.stage, stage.read, stage.kept, stage.reasons) for stage in facts.stages]
    assert path == [
        ("ingest", 243, 242, {"empty": 1}),
        ("scrub", 242, 242, {}),
        ("clean", 242, 240, {"exact_duplicate": 2}),
        ("split", 240, 240, {}),
    ]
    assert facts.stages[1].changed == 60
    assert facts.spans_by_label == {"EMAIL_ADDRESS": 30, "PHONE_NUMBER": 30}


def test_sources_have_the_digest_of_their_file_and_no_folder(facts: DataFacts, prepared: Prepared) -> None:
    (source,) = facts.sources
    path = Path(str(prepared.configs.ingestion.sources[0]))
    assert source.name == "reviews.jsonl"
    assert source.digest == digest_file(path)
    assert (source.kept, source.quarantined, source.files) == (242, 1, 1)


def test_data_files_hold_the_records_and_have_the_digests(
    facts: DataFacts, documents: Path, prepared: Prepared
) -> None:
    for name, digest in facts.files.items():
        assert digest_file(documents / name) == digest
        frame = pd.read_parquet(documents / name)
        records = list(read_records(prepared.folders["splits"] / Path(name).stem))
        assert frame["text"].tolist() == [record["text"] for record in records]
        assert frame["id"].tolist() == [record["id"] for record in records]
        assert "user" not in frame.columns


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_markdown_and_html_say_the_same(documents: Path, facts: DataFacts, lang: str) -> None:
    suffix = ".zh" if lang == "zh" else ""
    markdown = (documents / f"card{suffix}.md").read_text(encoding="utf-8")
    page = (documents / f"card{suffix}.html").read_text(encoding="utf-8")
    for digest in [*facts.digests.values(), *facts.files.values(), str(facts.sources[0].digest)]:
        assert digest in markdown
        assert digest in page
    numbers = re.compile(r"\d[\d,]*(?:\.\d+)?%?")
    shown = re.sub(r"<svg.*?</svg>|<style.*?</style>|<head>.*?</head>", "", page, flags=re.DOTALL)
    in_page = Counter(numbers.findall(re.sub(r"<[^>]+>", " ", shown)))
    in_markdown = Counter(numbers.findall(re.sub(r"\\", "", markdown)))
    assert in_page == in_markdown
    assert len(in_page) > 60


def test_cards_name_what_is_not_recorded(documents: Path) -> None:
    text = (documents / "card.md").read_text(encoding="utf-8")
    gaps = text[text.index("## Not recorded") :]
    assert "licence of reviews.jsonl" in gaps
    assert "who gave the labels" in gaps
    assert "documentation.url" in gaps
    assert "documentation.creator" not in gaps  # it is declared
    assert "Example Ltd" in text


def test_no_personal_value_reaches_a_document(documents: Path) -> None:
    for path in documents.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [secret for secret in SECRETS[:2] if secret.encode() in data], path.name


@pytest.mark.parametrize("page", [name for name in PAGES if name.endswith(".html")])
def test_pages_open_offline(documents: Path, page: str, tmp_path: Path) -> None:
    assert outside_references((documents / page).read_text(encoding="utf-8")) == []
    shown, asked = open_in_browser(documents / page, tmp_path)
    assert asked == []
    assert "reviews" in shown


def test_both_languages_have_every_word_and_every_reason() -> None:
    from components.cleaning.clean import DropReason
    from components.cleaning.split import SplitDropReason
    from components.ingestion.records import QuarantineReason

    assert set(WORDS["en"]) == set(WORDS["zh"])
    reasons = {reason.value for reason in (*DropReason, *SplitDropReason, *QuarantineReason)}
    assert reasons <= set(REASONS_ZH)
    same = [key for key in WORDS["en"] if WORDS["en"][key] == WORDS["zh"][key]]
    assert same == ["digest", "n"]


def test_text_from_outside_cannot_bring_markup(tmp_path: Path) -> None:
    rows = [
        {"id": str(n), "text": f"sample text number {n} with words {n * 7}", "lang": ("en", "zh")[n % 2],
         "label": "<script>alert(1)</script>|**x**", "group": "a|b"}
        for n in range(80)
    ]  # fmt: skip
    source = tmp_path / "<img src=x>.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = prepare_corpus(tmp_path / "store", source, skip=("cleaning",))
    out = tmp_path / "out"
    out.mkdir()
    document_corpus(made.folders, made.artefacts, made.configs, out_dir=out)
    page = (out / "card.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "\\|\\*\\*x" in (out / "card.md").read_text(encoding="utf-8")


def test_reports_that_contradict_each_other_are_refused(prepared: Prepared, tmp_path: Path) -> None:
    changed = tmp_path / "cleaned"
    changed.mkdir()
    report = read_json(prepared.folders["cleaned"] / "report.json")
    write_json(report | {"read": report["read"] + 1}, changed / "report.json")
    with pytest.raises(ContractError, match="scrub kept 242 records, clean read 243"):
        collect_facts(prepared.folders | {"cleaned": changed}, prepared.artefacts, prepared.configs, files={})
    write_json(report | {"reasons": {"too_short": 1}}, changed / "report.json")
    with pytest.raises(ContractError, match="dropped 2 records but gives reasons for 1"):
        collect_facts(prepared.folders | {"cleaned": changed}, prepared.artefacts, prepared.configs, files={})


def test_residual_risk_of_the_scrubber_stands_in_card_and_croissant(prepared: Prepared, tmp_path: Path) -> None:
    recall = {"value": 0.9, "ci_low": 0.81, "ci_high": 0.95, "n": 80, "note": ""}
    missed = {"value": 3.3, "ci_low": 1.6, "ci_high": 7.2, "n": 80, "note": ""}
    nothing = {"value": None, "ci_low": None, "ci_high": None, "n": 0, "note": "no probe could be planted"}
    risk = {
        "slices": {"en": {"EMAIL_ADDRESS": recall}, "zh": {"EMAIL_ADDRESS": nothing}},
        "expected_missed": {"en": {"EMAIL_ADDRESS": missed}},
        "not_probed": ["IBAN_CODE"],
    }
    changed, out = tmp_path / "scrubbed", tmp_path / "out"
    changed.mkdir()
    out.mkdir()
    write_json(
        read_json(prepared.folders["scrubbed"] / "report.json") | {"residual_risk": risk}, changed / "report.json"
    )
    folders = prepared.folders | {"scrubbed": changed}
    document_corpus(folders, prepared.artefacts, prepared.configs, out_dir=out)
    card = (out / "card.md").read_text(encoding="utf-8")
    assert "| `EMAIL_ADDRESS` | en | 80 | 90.0% | 81.0% – 95.0% | 3 | 2 – 7 |" in card
    assert "recall is not recorded: IBAN\\_CODE" in card
    assert "recall of the detector on values planted" not in card
    sentences = read_json(out / "croissant.json")["rai:personalSensitiveInformation"]
    expected = "EMAIL_ADDRESS (en): recall on 80 planted values 0.900 (95 % interval 0.810 to 0.950)."
    assert expected in sentences


def test_splits_are_counted_again(prepared: Prepared, tmp_path: Path) -> None:
    import shutil

    splits = tmp_path / "splits"
    shutil.copytree(prepared.folders["splits"], splits)
    shard = splits / "dev" / "part-00000.jsonl"
    shard.write_text("".join(shard.read_text(encoding="utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")
    with pytest.raises(ContractError, match="dev: holds 17 records, its report says 18"):
        collect_facts(prepared.folders | {"splits": splits}, prepared.artefacts, prepared.configs, files={})


def test_same_input_same_bytes(prepared: Prepared, documents: Path, tmp_path: Path) -> None:
    document_corpus(prepared.folders, prepared.artefacts, prepared.configs, out_dir=tmp_path)
    for path in documents.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(documents)).read_bytes() == path.read_bytes(), path.name


@pytest.fixture(scope="module")
def exported(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "data"
    export_dataset(documents, folder)
    return folder


@pytest.mark.filterwarnings("ignore")  # datasets' libraries warn of themselves
def test_export_opens_with_datasets(exported: Path, prepared: Prepared) -> None:
    from datasets import DatasetDict, load_from_disk

    loaded = load_from_disk(str(exported))
    assert isinstance(loaded, DatasetDict)
    for name, split in loaded.items():
        records = list(read_records(prepared.folders["splits"] / name))
        assert split.column_names == ["id", "text", "lang", "label", "group"]
        assert split["text"] == [record["text"] for record in records]
        assert split["id"] == [record["id"] for record in records]


@pytest.mark.filterwarnings("ignore")
def test_croissant_is_valid_and_its_records_load(exported: Path, prepared: Prepared) -> None:
    """The library of those who wrote the format: no error, and every record with its id as text."""
    import mlcroissant

    dataset = mlcroissant.Dataset(str(exported / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert str(dataset.metadata.conforms_to[0]).endswith("croissant/1.1")
    for name in ("train", "dev", "test", "holdout"):
        rows = list(dataset.records(name))
        records = list(read_records(prepared.folders["splits"] / name))
        assert [row[f"{name}/text"].decode() for row in rows] == [record["text"] for record in records]
        assert [row[f"{name}/id"].decode() for row in rows] == [record["id"] for record in records]
        assert {row[f"{name}/split"].decode() for row in rows} == {name}
    metadata = dataset.metadata
    assert metadata.personal_sensitive_information
    assert any("EMAIL_ADDRESS: 30 values replaced." in text for text in metadata.personal_sensitive_information)
    assert metadata.data_preprocessing_protocol[2].startswith("clean: read 242, kept 240, dropped: exact_duplicate 2")
    assert any(text.startswith("Group female:") for text in metadata.data_biases)
    assert metadata.data_limitations
    assert metadata.data_collection_raw_data.startswith("reviews.jsonl")
    assert metadata.data_social_impact is None  # nothing was recorded, so nothing is said


@pytest.mark.filterwarnings("ignore")
def test_the_check_finds_a_broken_document(exported: Path, tmp_path: Path) -> None:
    from components.documentation.check import check_croissant

    assert any("license" in text for text in check_croissant(exported / "croissant.json"))
    document = read_json(exported / "croissant.json")
    del document["distribution"][0]["sha256"]
    document["recordSet"][1]["field"][0]["source"]["fileObject"]["@id"] = "nowhere.parquet"
    write_json(document, tmp_path / "croissant.json")
    with pytest.raises(ContractError, match="no valid Croissant document"):
        check_croissant(tmp_path / "croissant.json")


def test_export_has_its_card_in_front_matter(exported: Path) -> None:
    import yaml

    text = (exported / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert front["language"] == ["en", "zh"]
    assert front["configs"][0]["data_files"][0] == {"split": "train", "path": "data/train.parquet"}
    assert "# Data card: reviews" in text


def test_export_refuses_a_full_folder_and_a_changed_file(documents: Path, exported: Path, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(ConfigError, match="not an empty folder"):
        export_dataset(documents, exported)
    changed = tmp_path / "changed"
    shutil.copytree(documents, changed)
    with (changed / "data" / "dev.parquet").open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(IntegrityError, match=r"dev\.parquet"):
        export_dataset(changed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_was_not_scrubbed_says_so_and_is_not_exported(tmp_path: Path) -> None:
    source = write_source(tmp_path / "reviews.jsonl")
    made = prepare_corpus(tmp_path / "store", source, skip=("scrubbing", "cleaning"))
    out = tmp_path / "out"
    out.mkdir()
    document_corpus(made.folders, made.artefacts, made.configs, out_dir=out)
    for name in PAGES:
        text = (out / name).read_text(encoding="utf-8")
        assert ("Not scrubbed" in text) or ("未脱敏" in text)
        assert SECRETS[1] not in text
    with pytest.raises(ConfigError, match="--allow-personal-data"):
        export_dataset(out, tmp_path / "exported")
    export_dataset(out, tmp_path / "exported", allow_personal_data=True)
    assert (tmp_path / "exported").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("count", "n", "interval"), [(0, 144, (0.0, 0.0260)), (5, 10, (0.2366, 0.7634)), (0, 0, (0, 1))]
)
def test_wilson(count: int, n: int, interval: tuple[float, float]) -> None:
    """Published: 5 of 10 gives 0.237 to 0.763 (Brown, Cai and DasGupta 2001); 0 of n gives z2 / (n + z2)."""
    from components.core.intervals import wilson_interval

    assert wilson_interval(count, n) == pytest.approx(interval, abs=5e-4)
