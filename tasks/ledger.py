"""The privacy ledger of this home."""

from __future__ import annotations

from components.privacy.ledger import Ledger, LedgerPlace, open_ledger
from tasks.audit import this_user
from tasks.settings import Settings


def ledger_place(settings: Settings, run: str) -> LedgerPlace:
    """Where the ledger is, for a training that a run names; its head lies with the keys."""
    path = settings.home / "ledger" / "ledger.jsonl"
    return LedgerPlace(path, settings.keys_folder / "ledger.head", this_user(), run)


def this_ledger(settings: Settings) -> Ledger:
    """The ledger, for whoever looks at it."""
    return open_ledger(ledger_place(settings, ""))
