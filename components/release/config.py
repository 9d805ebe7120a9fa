"""Settings of release control: who must approve, for how long, and what may be waived."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.core.config import StageConfig
from components.core.errors import ConfigError

ROLE_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"

_MODEL_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_+.-]{0,127}")
# What a registry's guard protects for names without a policy, and a policy sealed before it could say so.
PROTECTED_ALIASES = ("production", "champion")


class RequiredApproval(BaseModel):
    """So many different keys of one role must have approved."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    role: str = Field(pattern=ROLE_PATTERN, description="Role of the approving key.")
    count: int = Field(ge=1, description="How many different keys of that role.")


class ReleaseConfig(StageConfig):
    """The approval policy."""

    required_approvals: tuple[RequiredApproval, ...] = Field(
        min_length=1, description="Approvals without which nothing is promoted."
    )
    approval_valid_days: int = Field(ge=1, description="An approval counts for at most so many days.")
    allow_development_keys: bool = Field(description="Whether keys made on first use, without ceremony, count.")
    approver_must_differ_from_trainer: bool = Field(
        description="Whether the key that sealed the release is barred from approving it."
    )
    waiver_roles: tuple[str, ...] = Field(description="Roles whose keys may waive a failed gate; empty for none.")
    waiver_valid_days: int = Field(ge=1, description="A waiver counts for at most so many days.")
    protected_aliases: tuple[str, ...] = Field(
        default=PROTECTED_ALIASES,
        description="Aliases that only a verified release may bear; production is always one.",
    )

    @model_validator(mode="after")
    def _each_role_once(self) -> ReleaseConfig:
        roles = [item.role for item in self.required_approvals]
        if len(set(roles)) != len(roles):
            raise ValueError("required_approvals: names a role twice; add the counts up")
        if "production" not in self.protected_aliases:
            raise ValueError("protected_aliases: leaves out production, which is what serving reads")
        return self


def check_name(name: str) -> str:
    """The name, if it can be a folder's and a file's. Raises ConfigError otherwise."""
    if not _MODEL_NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot name a model: letters, digits, - _ + and . only, the first no sign")
    return name
