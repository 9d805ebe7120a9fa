from __future__ import annotations

from pathlib import Path

import pytest
from testkit.releases import Workshop, make_workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return make_workshop(tmp_path / "workshop")
