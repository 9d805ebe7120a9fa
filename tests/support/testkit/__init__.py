"""Small real helpers that several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest


def shared_data(*parts: str) -> Path:
    """A path among the public data sets beside the repository; skips the test where they are absent."""
    root = Path(__file__).resolve().parents[4] / "shared" / "data"
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"public data set {'/'.join(parts)} is not beside this checkout")
    return path
