"""Judging: evidence and a gates file in, a verdict with all its reasons out. Never raises for a bad payload.

Light names are here. ``components.gates.judge`` holds ``judge`` and ``Waiver``, ``components.gates.scorecard``
``write_verdict``, ``components.gates.planning`` the table of what the planned n can resolve.
"""

from components.gates.config import GateConfig, GatesConfig, NotApplicableConfig, RelativeConfig

__all__ = ["GateConfig", "GatesConfig", "NotApplicableConfig", "RelativeConfig"]
