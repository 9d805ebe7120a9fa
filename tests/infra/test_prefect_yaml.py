"""The deployments file: real entry points, shipped profiles, nothing finer than a profile."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_deployments_name_a_profile_and_nothing_finer() -> None:
    deployments = yaml.safe_load((ROOT / "infra" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert {item["name"] for item in deployments} == {"demo", "public"}
    for item in deployments:
        file, _, function = item["entrypoint"].partition(":")
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")
        assert set(item["parameters"]) == {"profile"}
        assert (ROOT / "flows" / "configs" / item["parameters"]["profile"]).is_dir()
        assert item["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
