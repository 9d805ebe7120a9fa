"""A cron schedule fires for real on a persistent server, and wrong expressions are named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.core.errors import ConfigError
from flows.cli.deployment import check_cron

ROOT = Path(__file__).resolve().parents[3]

_FLOW = """
from pathlib import Path
from prefect import flow

@flow(name="tick")
def tick(path: str) -> None:
    with Path(path).open("a") as handle:
        handle.write("fired\\n")
"""

_SERVE = """
import sys
from pathlib import Path
from flows.cli.deployment import serve_on_schedule
from tasks.settings import Settings, prepare_environment

class Later:  # prefect may be imported only when the server's address stands in the environment
    def __getattr__(self, name):
        from tick_flow import tick
        return getattr(tick, name)

if __name__ == "__main__":
    settings = prepare_environment(Settings(home=Path(sys.argv[1])))
    parameters = {"path": sys.argv[2]}
    serve_on_schedule("each-minute", parameters, settings, cron="* * * * *", timezone="Asia/Shanghai", flow=Later())
"""


@pytest.mark.parametrize("expression", ["61 * * * *", "* * *", "every day", "", "0 0 31 2 *"])
def test_a_wrong_cron_expression_is_named(expression: str) -> None:
    with pytest.raises(ConfigError, match=r'--cron "') as caught:
        check_cron(expression, "UTC")
    assert expression in str(caught.value)


def test_a_wrong_timezone_is_named() -> None:
    with pytest.raises(ConfigError, match="--timezone Mars/Olympus"):
        check_cron("* * * * *", "Mars/Olympus")


@pytest.mark.parametrize("expression", ["*/30 * * * *", "0 3 * * 1-5", "15 8 1,15 * *"])
def test_usual_expressions_pass(expression: str) -> None:
    check_cron(expression, "Asia/Shanghai")


@pytest.mark.servers
@pytest.mark.timeout(300)
def test_the_clock_fires_the_flow(tmp_path: Path) -> None:
    from tasks.servers import find_server, stop_server

    home, fired = tmp_path / "home", tmp_path / "fired.txt"
    (tmp_path / "tick_flow.py").write_text(_FLOW)
    (tmp_path / "serve.py").write_text(_SERVE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW"))}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    log = (tmp_path / "serve.log").open("wb")
    serving = subprocess.Popen(
        [sys.executable, str(tmp_path / "serve.py"), str(home), str(fired)],
        cwd=tmp_path,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 200
        while not fired.exists() and time.monotonic() < deadline and serving.poll() is None:
            time.sleep(0.5)
        assert fired.exists(), (tmp_path / "serve.log").read_text()
        assert find_server(home, "prefect") is not None  # persistent: it outlives the schedule
    finally:
        serving.send_signal(signal.SIGINT)
        try:
            serving.wait(timeout=40)
        except subprocess.TimeoutExpired:
            serving.kill()
            serving.wait()
        log.close()
        stop_server(home, "prefect")
