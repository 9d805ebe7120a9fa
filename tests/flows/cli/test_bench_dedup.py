"""The verb ``bench dedup``."""

from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

from flows.cli import bench_dedup


def test_one_json_document(capfd: object) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    bench_dedup.add_to(app)
    outcome = CliRunner().invoke(
        app, ["dedup", "--documents", "1000", "--workers", "1", "--peer-documents", "0", "--json"]
    )
    assert outcome.exit_code == 0, outcome.output
    result = json.loads(outcome.stdout)
    assert result["bench"] == "dedup" and result["peer"] is None and result["ours"]["recall"]["value"] > 0.95
