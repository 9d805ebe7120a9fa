"""Exit codes, one line on stderr, one JSON document on stdout."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import ConfigError, IntegrityError, TransientError
from flows.cli.errors import NotPassedError, describe, exit_code_of

ROOT = Path(__file__).resolve().parents[3]

RECORDS = [
    {"id": "a", "text": "Mail bob@example.com about the order", "lang": "en", "extra": 1},
    {"id": "b", "text": "我的邮箱是 li@example.cn，谢谢", "lang": "zh"},
]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--profile", "nope"], "nope"),
        (["run", "--profile", "demo", "--config", "x"], "not both"),
        (["run", "--profile", "demo", "--set", "gates.nope=1"], "nope"),
        (["run", "--config", "nowhere"], "nowhere"),
        (["scrub", "missing.csv", "-o", "out.jsonl"], "missing.csv"),
        (["scrub", "in.jsonl", "-o", "out.txt"], "out.txt"),
        (["scrub", "in.jsonl", "-o", "out.jsonl", "--lang", "fr"], "--lang fr"),
        (["scrub", "in.jsonl", "-o", "out.jsonl", "--labels", "PERSN"], "PERSN"),
        (["guard", "missing.jsonl"], "missing.jsonl"),
        (["schedule", "--cron", "61 * * * *"], "61 * * * *"),
        (["evaluate", "m", "--suite", "crows_pair"], "crows_pairs"),
        (["why"], "touchstone demo"),
        (["verify", "nowhere"], "nowhere"),
        (["verify", "models:/nowhere/1"], "models:/nowhere"),
        (["promote", "nowhere", "1"], "models:/nowhere"),
        (["rollback", "nowhere"], "models:/nowhere"),
        (["init", "d", "--profile", "nope"], "nope"),
        (["--nope"], "--nope"),
        (["nope"], "nope"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(cli: Any, tmp_path: Path, arguments: list[str], words: str) -> None:
    _write(tmp_path / "in.jsonl", RECORDS)
    ended = cli(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert words in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) in (["in.jsonl"], ["home", "in.jsonl"])


def test_an_error_under_json_is_one_document(cli: Any) -> None:
    ended = cli("run", "--profile", "nope", "--json")
    assert ended.code == 2
    error = json.loads(ended.out)["error"]
    assert (error["kind"], error["exit_code"]) == ("ConfigError", 2)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (IntegrityError("x"), 1),
        (TransientError("x"), 3),
        (NotPassedError(), 1),
        (KeyboardInterrupt(), 130),
        (KeyError("x"), 3),
        (OSError(errno.ENOSPC, "full"), 3),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


def test_a_full_disk_is_found_behind_other_errors(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/data/x")
    wrapped = RuntimeError("writing failed")
    wrapped.__cause__ = full
    assert describe(wrapped, tmp_path) == "/data/x: the disk is full; free space and run the same command again"


def test_an_unforeseen_error_shows_no_text_of_a_record(tmp_path: Path) -> None:
    secret = "call 13812345678"
    try:
        {}[secret]
    except KeyError as error:
        line = describe(error, tmp_path)
    logs = list(tmp_path.glob("error-*.log"))
    assert len(logs) == 1
    assert str(logs[0]) in line
    assert secret not in line + logs[0].read_text()
    assert logs[0].stat().st_mode & 0o077 == 0


def test_scrub_keeps_order_and_fields_and_gives_offsets(cli: Any, tmp_path: Path) -> None:
    source = _write(tmp_path / "in.jsonl", RECORDS)
    ended = cli("scrub", str(source), "-o", "out.jsonl", "--spans", "spans.jsonl", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["labels"] == {"EMAIL_ADDRESS": 2}
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows == [
        {"id": "a", "text": "Mail [EMAIL_ADDRESS] about the order", "lang": "en", "extra": 1},
        {"id": "b", "text": "我的邮箱是 [EMAIL_ADDRESS]，谢谢", "lang": "zh"},
    ]
    spans = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    for record, row in zip(RECORDS, spans, strict=True):
        (span,) = row["spans"]
        assert "@" in str(record["text"])[span["start"] : span["end"]]
        assert (row["id"], row["lang"]) == (record["id"], record["lang"])


def test_scrub_gives_the_same_on_two_processes(cli_process: Any, tmp_path: Path) -> None:
    rows = [{**RECORDS[n % 2], "id": str(n)} for n in range(1000)]
    source = _write(tmp_path / "in.jsonl", rows)
    for workers in ("1", "2"):
        assert cli_process("scrub", str(source), "-o", f"out{workers}.jsonl.gz", "--workers", workers).code == 0
    texts = [subprocess.check_output(["gunzip", "-c", str(tmp_path / f"out{n}.jsonl.gz")]) for n in (1, 2)]
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) == 1000


def test_columns_with_other_names_are_named(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "工单.csv").write_text("编号,内容\n1,电话13812345678\n", encoding="utf-8")
    assert cli("scrub", "工单.csv", "-o", "out.jsonl").code == 2
    assert cli("scrub", "工单.csv", "-o", "out.jsonl", "--column", "text=内容", "--column", "id=编号").code == 0
    assert json.loads((tmp_path / "out.jsonl").read_text())["text"] == "电话[PHONE_NUMBER]"
    assert cli("scrub", "工单.csv", "-o", "out.jsonl", "--column", "texts=内容").code == 2


def test_guard_reads_stdin_and_fails_on_a_block(cli_process: Any) -> None:
    harmless, harmful = '{"id": "1", "text": "你好，请问几点开门"}\n', '{"id": "2", "text": "I will kill you"}\n'
    calm = cli_process("guard", "--fail-on-block", stdin=harmless)
    assert (calm.code, json.loads(calm.out)["action"]) == (0, "allow")
    stopped = cli_process("guard", "--fail-on-block", stdin=harmless + harmful)
    rows = [json.loads(line) for line in stopped.out.splitlines()]
    assert stopped.code == 1
    assert [(row["id"], row["action"]) for row in rows] == [("1", "allow"), ("2", "block")]
    assert set(rows[1]) == {"id", "action", "text", "categories", "reasons", "latency_ms"}


def test_json_alone_reaches_stdout(cli_process: Any) -> None:
    ended = cli_process("doctor", "--json")
    document = json.loads(ended.out)
    assert {item["what"] for item in document["findings"]} >= {"Python", "mlflow", "free disk", "MLflow runs"}
    assert ended.code == (0 if document["ok"] else 1)


def test_what_libraries_print_goes_to_stderr_under_json(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from flows.cli.session import result_on_stdout\n"
        "with result_on_stdout(True) as results:\n"
        "    print('from python'); os.system('echo from a child'); os.write(1, b'from c\\n')\n"
        "    results.append({'value': float('nan')})\n"
    )
    done = _run(sys.executable, "-c", program)
    assert json.loads(done.stdout) == {"value": None}
    assert {"from python", "from a child", "from c"} <= set(done.stderr.split("\n"))


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m flows --help | head -n 1 > /dev/null; echo ${{PIPESTATUS[0]}}"
    done = _run("bash", "-c", command)
    assert done.stdout.strip() == "0"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_line_and_exit_130(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOUCHSTONE_HOME": str(tmp_path / "home")}
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "guard"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write('{"text": "hello there"}\n')
    process.stdin.flush()
    time.sleep(6)  # it now waits for more input
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip().splitlines() == ["interrupted; finished stages are kept, the same command goes on from there"]


@pytest.mark.parametrize("verb", ["demo", "init", "run", "schedule", "ui", "status", "diff", "why", "validate", "scrub",
                                  "drift", "monitor", "evaluate", "gate", "guard", "serve", "export", "approve",
                                  "reject", "waive", "promote", "rollback", "verify", "keys", "doctor"])  # fmt: skip
def test_every_verb_has_help(cli: Any, verb: str) -> None:
    ended = cli(verb, "--help")
    assert ended.code == 0
    assert "Usage: touchstone " + verb in ended.out
