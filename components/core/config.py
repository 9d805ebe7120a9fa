"""Base of every stage config: frozen, unknown keys refused, hashed."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from components.core.hashing import digest_value


class StageConfig(BaseModel):
    """A stage's settings. Subclasses give every field a description, a unit in its name and bounds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def digest(self) -> str:
        """Digest of the resolved values."""
        return digest_value(self.model_dump(mode="json"))
