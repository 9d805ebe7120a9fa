"""A bill of materials held against CycloneDX's published schema, as the library carries it (extra ``docs``)."""

from __future__ import annotations

from pathlib import Path

from components.core.errors import ContractError, InfrastructureError


def check_bom(path: Path) -> None:
    """Validate an ML-BOM strictly: nothing missing, nothing unknown.

    Raises: ContractError naming the first errors; InfrastructureError if the library is not installed.
    """
    try:
        from cyclonedx.exception import MissingOptionalDependencyException
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError as error:
        raise InfrastructureError("cyclonedx is not installed; pip install 'touchstone[docs]'") from error
    try:
        found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text(encoding="utf-8"), all_errors=True)
    except MissingOptionalDependencyException as error:
        raise InfrastructureError("cyclonedx lacks its validation; pip install 'touchstone[docs]'") from error
    problems = [f"{_place(item)}: {_words(item)}" for item in found or ()]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ContractError(f"{path}: no valid CycloneDX 1.6 document: {'; '.join(problems[:3])}{more}")


def _place(item: object) -> str:
    return str(getattr(getattr(item, "data", None), "json_path", "$"))


def _words(item: object) -> str:
    data = getattr(item, "data", item)
    return str(getattr(data, "message", data))[:200]
