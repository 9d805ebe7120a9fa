"""Shards on a real Ray cluster of this machine, through Prefect's Ray task runner."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from components.core.corpus import write_records
from components.core.errors import ConfigError
from components.scrubbing import LABELS, ScrubbingConfig
from components.scrubbing.scrub import scrub_corpus
from components.scrubbing.shards import ShardJob
from tasks.cluster import scrub_on_ray

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("ignore")]  # Prefect and Ray warn of themselves


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = [{"id": str(n), "text": f"My name is Grace Mercer, g{n}@corp.io", "lang": "en"} for n in range(40)]
    write_records(rows, tmp_path / "in", records_per_shard=10)
    return tmp_path / "in"


def config(**changes: object) -> ScrubbingConfig:
    values = {"languages": ("en",), "labels": LABELS, "policy": "pseudonymize", "min_score": 0.5, "probes_per_label": 2}
    return ScrubbingConfig.model_validate(values | changes)


def test_ray_gives_the_bytes_that_one_process_gives(corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("prefect_ray", reason="the extra cluster is not installed")
    import ray

    jobs_seen: list[ShardJob] = []

    def on_ray(jobs: list[ShardJob]) -> object:
        jobs_seen.extend(jobs)
        return scrub_on_ray(jobs, "local")

    with prefect_test_harness(server_startup_timeout=240):
        try:
            scrub_corpus(corpus, config(), out_dir=tmp_path / "ray", key=b"k", run_shards=on_ray)  # type: ignore[arg-type]
        finally:
            ray.shutdown()
    scrub_corpus(corpus, config(), out_dir=tmp_path / "one", key=b"k")
    assert len(jobs_seen) == 4
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "ray").iterdir())
    assert all((tmp_path / "ray" / name).read_bytes() == (tmp_path / "one" / name).read_bytes() for name in files)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "prefect_ray", None)
    with pytest.raises(ConfigError, match="EXTRAS=cluster"):
        scrub_on_ray([], "local")
