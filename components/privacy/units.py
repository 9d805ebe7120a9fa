"""Rows by unit: who stands behind each record, and the check that the settings fit so many people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.core.errors import ConfigError, ContractError
from components.privacy.config import PrivacyConfig

# Fields that name a record's unit, the first one that it has.
_FIELDS: dict[str, tuple[str, ...]] = {"user": ("user",), "document": ("document", "id"), "example": ()}


def rows_by_unit(records: Sequence[Mapping[str, Any]], config: PrivacyConfig, corpus: Path) -> list[list[int]]:
    """Rows of each unit, units in the order of their first row, at most ``max_rows_per_unit`` each.

    Which rows of a unit are used depends on their ids alone, so on nobody else's data.

    Raises:
        ContractError: A record does not say whose it is, or weights of records make one count for more than another.
        ConfigError: The settings do not fit so many units.
    """
    weighted = sum(record.get("weight", 1.0) != 1.0 for record in records)
    if weighted:
        raise ContractError(
            f"{corpus}: {weighted} of {len(records)} records have a weight, which would be made from everybody's data; "
            "set balance.reweigh: false where privacy is given"
        )
    fields = _FIELDS[config.unit]
    rows: dict[object, list[int]] = {}
    missing = 0
    for row, record in enumerate(records):
        key = row if not fields else next((record[name] for name in fields if record.get(name)), None)
        missing += key is None
        rows.setdefault(key, []).append(row)
    if missing:
        raise ContractError(
            f"{corpus}: {missing} of {len(records)} records have no field {' or '.join(fields)} and privacy.unit is "
            f"{config.unit}; map ingestion.columns, or protect another unit"
        )
    check_population(config, len(rows))
    return [sorted(of_unit, key=lambda row: str(records[row].get("id", row)))[: config.max_rows_per_unit]
            for of_unit in rows.values()]  # fmt: skip


def check_population(config: PrivacyConfig, units: int) -> None:
    """Raises ConfigError for more expected units than there are, or a delta that gives one of them away."""
    if config.expected_units > units:
        raise ConfigError(f"privacy.expected_units ({config.expected_units}) is above the {units} units that there are")
    if config.delta >= 1 / units:
        raise ConfigError(
            f"privacy.delta ({config.delta}) is not below 1/{units}, one over the units: some could be published "
            f"whole; take at most {1 / (10 * units):.1g}"
        )
