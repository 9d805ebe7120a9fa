"""What tests let workers do."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from components.core.errors import ContractError


class UnsendableError(Exception):
    """Holds what cannot cross processes."""

    def __init__(self) -> None:
        super().__init__("a socket")
        self.socket = socket.socket()


def count(total: int, *, on_number: Callable[[int], None]) -> int:
    for number in range(total):
        on_number(number)
    return total


def refuse(text: str) -> None:
    raise ContractError(text)


def fail_unsendably() -> None:
    raise UnsendableError


def kill_yourself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds: float, *, on_start: Callable[[], None]) -> None:
    on_start()
    time.sleep(seconds)


def note_and_sleep(path: str) -> None:
    part = Path(path + ".part")
    part.write_text(str(os.getpid()))
    part.rename(path)
    time.sleep(120)
