"""Documents of a promoted release: whole, valid by the published schema, in both languages, and honest about gaps."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from testkit.releases import DAY, NOW, POLICY, gate, make_workshop

from components.core.errors import ContractError
from components.core.evidence import GateDecision
from components.dossier.compliance import FINDERS, frameworks
from components.dossier.facts import DossierFacts, Promoted, collect_facts
from components.dossier.threats import threat_model
from components.dossier.words import WORDS
from components.dossier.write import write_dossier
from components.release.approvals import approve
from components.release.verify import verify_release

ROOT = Path(__file__).parents[3]
PAGES = ("index", "scorecard", "model-card", "compliance", "threat-model")


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> DossierFacts:
    """A release with a gate declared not to apply, approved by two people; its data is not documented."""
    root = tmp_path_factory.mktemp("dossier")
    hostile = gate("flips").model_copy(update={"reason": "<script>alert(1)</script> | [x](http://evil)"})
    declared = gate("groups", GateDecision.NOT_APPLICABLE).model_copy(update={"reason": "no group field"})
    workshop = make_workshop(root, [hostile, gate("exposure"), declared])
    release = workshop.seal()
    for key in ("ella", "petra"):
        approve(release.folder, workshop.keys.signer(key), reason="read it, 看过了", expires=NOW + DAY, now=NOW)
    tree = verify_release(release.folder, workshop.keys, POLICY, now=NOW)
    assert tree.ok
    return collect_facts(
        release.folder,
        Promoted("demo", "3", "production", "2", NOW),
        tree,
        keyring=workshop.keys,
        policy=POLICY,
        data={},
        software={"torch": "2.13.0", "mlflow": "3.17.2"},
    )


@pytest.fixture(scope="module")
def folder(facts: DossierFacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dossier(facts, tmp_path_factory.mktemp("out") / "v3")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.targets += [value or "" for name, value in attrs if name in {"href", "src"}]


@pytest.mark.parametrize("name", [f"{page}{lang}.html" for page in PAGES for lang in ("", ".zh")])
def test_a_page_links_only_to_what_lies_beside_it_and_runs_nothing(folder: Path, name: str) -> None:
    page = _Links()
    page.feed((folder / name).read_text(encoding="utf-8"))
    assert page.targets
    assert [target for target in page.targets if not (folder / target).exists()] == []
    assert not page.tags & {"script", "img", "iframe", "link", "form"}


def test_the_index_shows_decision_digests_and_approvals(folder: Path, facts: DossierFacts) -> None:
    for name in ("index.html", "index.zh.html"):
        text = html.unescape((folder / name).read_text(encoding="utf-8"))
        for shown in (facts.payload_digest, facts.seal.verdict_digest, "demo v3", "v2", "ella", "petra", "看过了"):
            assert shown in text, shown


def test_the_bill_of_materials_holds_by_the_published_schema(folder: Path, facts: DossierFacts) -> None:
    pytest.importorskip("cyclonedx", reason="cyclonedx-python-lib is not installed (extra docs)")
    from components.dossier.check import check_bom

    path = folder / "ml-bom.cdx.json"
    check_bom(path)
    bom = json.loads(path.read_text(encoding="utf-8"))
    model = bom["metadata"]["component"]
    assert (model["type"], model["version"]) == ("machine-learning-model", "3")
    assert model["hashes"] == [{"alg": "SHA-256", "content": facts.payload_digest.split(":")[1]}]
    listed = {item["name"]: item["hashes"][0]["content"] for item in bom["components"] if item["type"] == "file"}
    assert listed == {name: file.sha256 for name, file in facts.manifest.files.items()}
    assert "pkg:pypi/torch@2.13.0" in {item.get("purl") for item in bom["components"]}
    assert {metric["type"] for metric in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]} == {
        "flips.rate"
    }
    bom["metadata"]["component"]["colour"] = "red"
    path.with_name("wrong.json").write_text(json.dumps(bom), encoding="utf-8")
    with pytest.raises(ContractError, match="no valid CycloneDX"):
        check_bom(path.with_name("wrong.json"))
    path.with_name("wrong.json").unlink()


def test_compliance_supports_and_never_complies_and_leaves_the_unknown_empty(folder: Path, facts: DossierFacts) -> None:
    page = (folder / "compliance.html").read_text(encoding="utf-8")
    empty = [item for framework in frameworks() for item in framework.items if not item.support(facts)]
    assert page.count("□ not recorded") == len(empty) > 10
    for clause in ("Intended purpose", "EU declaration of conformity", "Privacy risk is examined"):
        assert re.search(f'<td>{clause}[^<]*</td><td><span class="open">□ not recorded', page), clause
    assert not re.search(r"\bcompl(ies|iant|y)\b", page.replace("Supports, never complies", ""))


def test_every_finder_is_asked_for() -> None:
    asked = {name for framework in frameworks() for item in framework.items for name in item.evidence}
    assert asked == set(FINDERS)


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()


def test_markup_in_the_evidence_stays_text(folder: Path) -> None:
    for path in folder.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text
        assert 'href="http' not in text


def test_the_same_facts_give_the_same_bytes(folder: Path, facts: DossierFacts, tmp_path: Path) -> None:
    again = write_dossier(facts, tmp_path / "again")
    names = sorted(path.name for path in again.iterdir())
    assert names == sorted(path.name for path in folder.iterdir())
    assert all((again / name).read_bytes() == (folder / name).read_bytes() for name in names)


def test_the_threat_model_in_infra_is_the_one_that_is_shipped() -> None:
    assert (ROOT / "infra" / "threat-model.md").read_text(encoding="utf-8") == threat_model().markdown("en")
