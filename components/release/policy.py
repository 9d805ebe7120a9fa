"""The approval policy of a model name, pinned where the keys are.

The release carries the policy it was sealed under, but whoever seals chose that one. So the first sealing of a name
records the policy as ``<keys>/policy-<name>.yaml`` (owner only), and from then on that file alone is believed: another
policy is refused until somebody edits the file deliberately.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import yaml
from pydantic import ValidationError

from components.core.errors import ConfigError, IntegrityError
from components.release.config import ReleaseConfig, check_name

_HEAD = "# Approval policy of the model {name}. It wins over the one in a profile or a release; edit it deliberately.\n"


class PolicyPins:
    """The pinned policies of one keys folder, read anew at every call."""

    def __init__(self, folder: Path) -> None:
        """The folder is made at the first pin."""
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where a name's policy is, or would be. Raises ConfigError for a name that is no file name."""
        return self._folder / f"policy-{check_name(name)}.yaml"

    def read(self, name: str) -> ReleaseConfig | None:
        """The pinned policy; None where nothing is pinned. Raises IntegrityError where the file cannot be trusted."""
        path = self.path(name)
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
            raise IntegrityError(f"{path}: must be a plain file that only its owner may touch; look at it, chmod 600")
        try:
            return ReleaseConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
            raise IntegrityError(f"{path}: not a readable approval policy; put the agreed one back") from error

    def pin(self, name: str, policy: ReleaseConfig) -> ReleaseConfig:
        """Record a policy unless one stands. Raises ConfigError naming the file if that says something else."""
        standing = self.read(name)
        if standing is not None:
            return self.require_same(name, policy, standing)
        path = self.path(name)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        text = _HEAD.format(name=name) + yaml.safe_dump(policy.model_dump(mode="json"), sort_keys=False)
        part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(part, path)  # whole, and never over one that somebody else pinned meanwhile
        except FileExistsError:
            return self.pin(name, policy)
        finally:
            part.unlink(missing_ok=True)
        return policy

    def require_same(self, name: str, policy: ReleaseConfig, standing: ReleaseConfig) -> ReleaseConfig:
        """The standing policy, if the given one says the same. Raises ConfigError otherwise."""
        if policy != standing:
            ours, theirs = standing.model_dump(), policy.model_dump()
            keys = ", ".join(key for key in ours if ours[key] != theirs[key])
            raise ConfigError(
                f"{self.path(name)}: pins another approval policy for {name} (release.{keys} differ); use its values, "
                "or edit that file deliberately"
            )
        return standing
