"""A Croissant document held against the library of those who wrote the format (extra ``docs``)."""

from __future__ import annotations

import logging
from pathlib import Path

from components.core.errors import ContractError, InfrastructureError


def check_croissant(path: Path) -> tuple[str, ...]:
    """Validate a ``croissant.json``; returns the recommended properties that it has no value for.

    Raises: ContractError if mlcroissant finds an error; InfrastructureError if mlcroissant is not installed.
    """
    try:
        import mlcroissant
        from absl import logging as absl_logging
    except ImportError as error:
        raise InfrastructureError("mlcroissant is not installed; pip install 'touchstone[docs]'") from error
    verbosity = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)  # it logs what is returned here
    try:
        issues = mlcroissant.Dataset(str(path)).metadata.ctx.issues
    except mlcroissant.ValidationError as error:
        raise ContractError(f"{path}: no valid Croissant document: {str(error).splitlines()[-1].strip()}") from error
    finally:
        absl_logging.set_verbosity(verbosity)
        logging.getLogger("absl").setLevel(logging.NOTSET)
    return tuple(sorted(str(text) for text in issues.warnings))
