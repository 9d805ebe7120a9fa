"""Processes that enter steps in a ledger and take them, each killed at a random moment: ``… HOME TAKEN_FILE KILLS``.

One process imports everything and forks the others, so that twenty cost little more than one. A line a kill: steps in
the ledger, steps taken, both in total.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from components.privacy.accounting import Mechanism, compose
from components.privacy.config import PrivacyConfig
from components.privacy.ledger import Ledger

CONFIG = PrivacyConfig(
    scope="people", unit="user", epsilon=50, delta=1e-5, lifetime_epsilon=1000, expected_units=10, charge_steps=3
)
PLAN = Mechanism(1.0, 400.0, 1000)  # every unit at every step: the cheapest to account for


def ledger_of(home: Path) -> Ledger:
    """The ledger under a home."""
    return Ledger(home / "ledger" / "ledger.jsonl", home / "keys" / "ledger.head")


def take_steps(home: Path, taken: Path, ready: int) -> NoReturn:
    """Charge, then take, for ever; a byte in ``taken`` is a step."""
    account = ledger_of(home).open_account(CONFIG, PLAN, run="killed", actor="tests")
    with taken.open("ab", buffering=0) as file:
        os.write(ready, b".")
        while True:
            account.reserve(CONFIG.charge_steps)
            for _ in range(CONFIG.charge_steps):
                file.write(b".")
                os.sched_yield()


def main(home: Path, taken: Path, kills: int) -> None:
    """Start, kill and count, so many times."""
    draw = random.Random(6)
    compose([PLAN], CONFIG.delta)  # so that the forks find everything imported
    for _ in range(kills):
        theirs, ours = os.pipe()
        child = os.fork()
        if child == 0:
            take_steps(home, taken, ours)
        os.read(theirs, 1)
        enough = taken.stat().st_size + draw.randrange(12)
        while taken.stat().st_size < enough:
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.005))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(theirs)
        os.close(ours)
        charged = sum(record.steps for record in ledger_of(home).trusted_records())
        print(charged, taken.stat().st_size, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
