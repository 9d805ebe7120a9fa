"""Base of every stage config: frozen, unknown keys refused, hashed."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from components.core.hashing import digest_value


class StageConfig(BaseModel):
    """A stage's settings. Subclasses give every field a description, a unit in its name and bounds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    # Fields that say where or by how many the work is done: they change no byte of the result, so no digest.
    without_effect: ClassVar[frozenset[str]] = frozenset()

    def digest(self) -> str:
        """Digest of the resolved values that decide the output, of nested configs too."""
        return digest_value(self.model_dump(mode="json", exclude=self.left_out_of_digest()))

    def left_out_of_digest(self) -> dict[str, Any]:
        """``without_effect`` of this config and of those in its fields, as pydantic's ``exclude`` takes it."""
        left_out: dict[str, Any] = dict.fromkeys(self.without_effect, True)
        for name in type(self).model_fields:
            value = getattr(self, name)
            nested: dict[Any, Any] = {}
            if isinstance(value, StageConfig):
                nested = value.left_out_of_digest()
            elif isinstance(value, tuple):
                items = [(place, item) for place, item in enumerate(value) if isinstance(item, StageConfig)]
                nested = {place: inner for place, item in items if (inner := item.left_out_of_digest())}
            if nested:
                left_out.setdefault(name, nested)
        return left_out
