"""The errors that callers can act on, named by what to do next.

    TouchstoneError
    ├── ConfigError          fix the YAML or the command line         exit 2
    ├── ContractError        the data is not what was promised: look  exit 2
    ├── IntegrityError       a digest or signature differs: distrust  exit 1
    ├── TransientError       try again                                exit 3
    └── InfrastructureError  a server, port or disk needs care        exit 3

A message is one line: what, the value, what is allowed, where, the next step. It never holds text of a record.
"""

from __future__ import annotations

from typing import ClassVar


class TouchstoneError(Exception):
    """Base of every error that the program raises on purpose."""

    exit_code: ClassVar[int] = 3


class ConfigError(TouchstoneError):
    """A key, value or argument is wrong; the message names the file and the key."""

    exit_code = 2


class ContractError(TouchstoneError):
    """Input data breaks its contract; the message names the file and the line."""

    exit_code = 2


class IntegrityError(TouchstoneError):
    """Bytes differ from what was recorded or signed."""

    exit_code = 1


class TransientError(TouchstoneError):
    """May pass when tried again."""

    exit_code = 3


class InfrastructureError(TouchstoneError):
    """A server, a port or a disk needs somebody's care before another try."""

    exit_code = 3
