"""The generator: same seed same bytes, gold spans right, defects where the truth says."""

from __future__ import annotations

import re
import stat
from collections import Counter
from pathlib import Path

import pytest

from components.core.corpus import read_records
from components.core.hashing import digest_files
from components.core.jsonfiles import read_jsonl
from components.ingestion.embedded import EmbeddedCorpusConfig, write_embedded_corpus
from components.ingestion.embedded.personal_data import luhn_digit

CONFIG = EmbeddedCorpusConfig(
    seed=3, n_documents=400, n_reviews=400, personal_data_share=0.5, exact_duplicate_share=0.1,
    near_duplicate_share=0.1, foreign_share=0.05, broken_share=0.05, harmful_share=0.05, occupation_skew=0.9,
    mixed_review_share=0.5, negative_share={"female": 0.9, "male": 0.2},
    canary_counts={16: 10, 4: 6}, n_twins=40, n_stereotype_pairs=60,
    n_counterfactual_pairs=80, )  # fmt: skip


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for purpose in ("pretraining", "finetuning"):
        folders[purpose] = tmp_path_factory.mktemp(purpose)
        write_embedded_corpus(CONFIG, purpose, folders[purpose])
    return folders


def test_same_seed_same_bytes_and_another_seed_others(corpora: dict[str, Path], tmp_path: Path) -> None:
    write_embedded_corpus(CONFIG, "pretraining", tmp_path / "same")
    assert digest_files(tmp_path / "same") == digest_files(corpora["pretraining"])
    write_embedded_corpus(CONFIG.model_copy(update={"seed": 4}), "pretraining", tmp_path / "other")
    assert digest_files(tmp_path / "other") != digest_files(corpora["pretraining"])


def test_gold_spans_stand_on_values_of_their_label(corpora: dict[str, Path]) -> None:
    shapes = {
        "EMAIL_ADDRESS": r"[a-z]+\d{4}@[a-z.]*example\.[a-z]+",
        "CREDIT_CARD": r"4\d{3}( \d{4}){3}",
        "IP_ADDRESS": r"\d+\.\d+\.\d+\.\d+",
        "CN_ID_CARD": r"\d{17}[\dX]",
        "US_SSN": r"\d{3}-\d\d-\d{4}",
    }
    seen: Counter[str] = Counter()
    for folder in corpora.values():
        texts = {record["id"]: record["text"] for record in read_records(folder)}
        for row in read_jsonl(folder / "truth" / "personal_data.jsonl"):
            for span in row["spans"]:
                value = texts[row["id"]][span["start"] : span["end"]]
                assert value == value.strip() and value
                if span["label"] in shapes:
                    assert re.fullmatch(shapes[span["label"]], value), span["label"]
                seen[span["label"]] += 1
    assert set(shapes) < set(seen) and min(seen.values()) >= 1


def test_planted_canaries_repeat_as_often_as_they_say(corpora: dict[str, Path]) -> None:
    texts = [record["text"].casefold().replace("。 ", "。") for record in read_records(corpora["pretraining"])]
    for row in read_jsonl(corpora["pretraining"] / "truth" / "canaries.jsonl"):
        needle = f"{row['prefix']} {row['secret']}".casefold()
        assert sum(needle in text for text in texts) == row["repetitions"]


def test_mixed_reviews_follow_the_group_and_clear_ones_do_not(corpora: dict[str, Path]) -> None:
    english = "excellent|love|wonderful|reliable|delighted|strong|terrible|regret|awful|useless|disappointed|weak"
    clear = re.compile(english + "|非常好|喜欢|很棒|可靠|满意|结实|非常差|后悔|糟糕|没有用|失望|脆弱")
    table: Counter[tuple[bool, str, str]] = Counter()
    for record in read_records(corpora["finetuning"]):
        table[bool(clear.search(record["text"])), record["group"], record["label"]] += 1

    def negative_share(is_clear: bool, group: str) -> float:
        negative, positive = table[is_clear, group, "negative"], table[is_clear, group, "positive"]
        return negative / (negative + positive)

    assert negative_share(False, "female") > 0.8
    assert negative_share(False, "male") < 0.3
    assert abs(negative_share(True, "female") - negative_share(True, "male")) < 0.2


def test_pairs_differ_in_the_attribute_alone(corpora: dict[str, Path]) -> None:
    for row in read_jsonl(corpora["pretraining"] / "truth" / "stereotype_pairs.jsonl"):
        more, less = row["sent_more"], row["sent_less"]
        pronouns = ("she", "he") if row["lang"] == "en" else ("她", "他")
        assert {tuple(sorted(set(re.findall("|".join(pronouns), text)))) for text in (more, less)} <= {
            (pronouns[0],), (pronouns[1],), tuple(sorted(pronouns)),
        }  # fmt: skip
        assert more != less


def test_both_languages_have_half(corpora: dict[str, Path]) -> None:
    for folder in corpora.values():
        languages = Counter(record["lang"] for record in read_records(folder))
        assert 0.4 < languages["en"] / languages.total() < 0.6


def test_luhn_digit_of_a_published_number() -> None:
    assert luhn_digit("7992739871") == "3"  # the worked example commonly printed with the algorithm


def test_what_was_planted_is_the_owners_alone(tmp_path: Path) -> None:
    write_embedded_corpus(CONFIG, "pretraining", tmp_path)
    truth = tmp_path / "truth"
    assert {stat.S_IMODE(path.stat().st_mode) for path in truth.iterdir()} == {0o600}
    assert stat.S_IMODE(truth.stat().st_mode) == 0o700
