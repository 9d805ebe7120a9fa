"""Work by shard: the number of processes and a kill change nothing, and foreign results are not taken."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from components.cleaning.clean import clean_corpus
from components.cleaning.config import CleaningConfig
from components.core.corpus import Record, write_records
from components.core.jsonfiles import read_json

SETTINGS: dict[str, object] = {
    "languages": ["en", "zh"],
    "normalise": "full",
    "length": None,
    "language": None,
    "quality": {"max_symbol_share": 0.3, "max_repetition_share": 0.5},
    "exact_duplicates": "drop",
    "near_duplicates": {"threshold": 0.7},
}
ENGLISH = "The parcel that we ordered on Monday has not arrived, and nobody in the office knows where it is now."
CHINESE = "我们星期一订的包裹到现在还没有到，办公室里谁也不知道它现在到底在什么地方。"


def many_records(count: int) -> list[Record]:
    """Families of a text, a copy and a near copy, mixed over the shards."""
    rng = random.Random(8)
    words = ["".join(rng.choices("abcdefgh", k=5)) for _ in range(500)]
    records: list[Record] = [
        {"id": "en", "text": ENGLISH, "lang": "en"},
        {"id": "zh", "text": CHINESE, "lang": "zh"},
    ]
    for index in range(count):
        text = " ".join(rng.choices(words, k=30))
        copies = {"a": text, "b": text.upper(), "c": text + " end"}
        records += [{"id": f"{index}{name}", "text": copy, "lang": "en"} for name, copy in copies.items()]
    rng.shuffle(records)
    return records


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_neither_processes_nor_a_kill_change_a_byte(tmp_path: Path) -> None:
    corpus = tmp_path / "in"
    write_records(many_records(300), corpus, records_per_shard=200)
    for name in ("one", "two", "again"):
        (tmp_path / name).mkdir()
    config = CleaningConfig.model_validate(SETTINGS | {"workers": 1})
    clean_corpus(corpus, config, out_dir=tmp_path / "one")
    two = CleaningConfig.model_validate(SETTINGS | {"workers": 2})
    assert two.digest() == config.digest()
    clean_corpus(corpus, two, out_dir=tmp_path / "two")
    assert tree(tmp_path / "two") == tree(tmp_path / "one")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "dropped.jsonl", "part-00000.jsonl", "report.json",
    ]  # fmt: skip

    code = (
        "import os, sys; from pathlib import Path; import components.cleaning.survivors as survivors\n"
        "from components.cleaning.clean import clean_corpus; from components.cleaning.config import CleaningConfig\n"
        "init = survivors._ShardWriter.__init__\n"
        "def dying(self, folder):\n"
        "    if folder.name.startswith('.shard-00003.'): os.kill(os.getpid(), 9)\n"
        "    init(self, folder)\n"
        "survivors._ShardWriter.__init__ = dying\n"
        "corpus, out, work, config = sys.argv[1:]\n"
        "clean_corpus(Path(corpus), CleaningConfig.model_validate_json(config), out_dir=Path(out), work_dir=Path(work))"
    )
    work = tmp_path / "work"
    arguments = [corpus, tmp_path / "again", work, json.dumps(SETTINGS | {"workers": 1})]
    died = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=False, env=dict(os.environ))
    assert died.returncode == -9
    finished = {path.name: path.stat().st_mtime_ns for path in work.glob("shard-*")}
    assert sorted(finished) == ["shard-00000", "shard-00001", "shard-00002"]
    shutil.copytree(work / "shard-00001", tmp_path / "witness")
    (work / "shard-00001" / "counts.json").write_text(
        (work / "shard-00001" / "counts.json").read_text().replace('"changed": ', '"changed": 9')
    )
    clean_corpus(corpus, config, out_dir=tmp_path / "again", work_dir=work)
    changed = read_json(tmp_path / "again" / "report.json")["changed"]
    assert changed > read_json(tmp_path / "one" / "report.json")["changed"]  # the finished shard was not done again
    assert not work.exists()
    left, right = tree(tmp_path / "again"), tree(tmp_path / "one")
    assert left.keys() == right.keys()
    assert all(left[name] == right[name] for name in left if name != "report.json")


def test_finished_shards_of_another_corpus_are_not_taken(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "shard-00000").mkdir(parents=True)
    (work / "plan.json").write_text('"sha256:another"')
    corpus = tmp_path / "in"
    write_records(many_records(1), corpus)
    (tmp_path / "out").mkdir()
    report = clean_corpus(corpus, CleaningConfig.model_validate(SETTINGS), out_dir=tmp_path / "out", work_dir=work)
    assert report.rows == 3
