"""A home with people's keys, a strict policy and a guarded MLflow server, and the ways an attacker reaches it."""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from components.core.errors import TouchstoneError
from components.release.approvals import approve
from components.release.audit import AuditReport
from components.release.config import ReleaseConfig, RequiredApproval
from components.release.keys import KeyRing
from tasks import registry
from tasks.audit import open_audit
from tasks.release_control import check_loadable, load_production, open_keyring, promote_version
from tasks.settings import Settings
from testkit.releases import write_payload
from testkit.sealed import register_tiny, seal_tiny

DAY = timedelta(days=1)
STRICT = ReleaseConfig(
    required_approvals=(RequiredApproval(role="approver", count=1),),
    approval_valid_days=30,
    allow_development_keys=False,
    approver_must_differ_from_trainer=True,
    waiver_roles=("approver",),
    waiver_valid_days=14,
)
PEOPLE = {"terry": "approver", "ada": "approver", "bea": "approver", "rob": "release"}


@dataclass
class World:
    """``terry`` trains and seals, ``ada`` approves; ``rob`` holds a key of another role."""

    settings: Settings
    url: str
    _count: int = 0
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> KeyRing:
        return open_keyring(self.settings)

    @property
    def client(self) -> Any:
        from mlflow.tracking import MlflowClient

        return self._clients.setdefault(self.url, MlflowClient(tracking_uri=self.url, registry_uri=self.url))

    def seal(self, name: str, *, key: str = "terry", **options: Any) -> Path:
        """A release of a payload of its own, sealed under the strict policy."""
        self._count += 1
        payload = self.settings.home / "tests" / f"payload-{self._count}"
        write_payload(payload, weights=f"{name} {self._count}".encode())
        signer = self.keys.signer(key)
        values = {"policy": STRICT, "key": signer, "payload": payload, **options}
        return seal_tiny(self.settings, seed=self._count, name=name, **values)

    def approve(self, release: Path, key: str = "ada", *, at: datetime | None = None, days: int = 30) -> Path:
        """A signed approval, dated as said."""
        moment = at or datetime.now(UTC)
        return approve(release, self.keys.signer(key), reason="read it", expires=moment + days * DAY, now=moment)

    def release(self, name: str, *, approved: bool = True, **options: Any) -> tuple[Path, str]:
        """A sealed and registered release; its folder and version."""
        folder = self.seal(name, **options)
        if approved:
            self.approve(folder)
        return folder, register_tiny(self.settings, folder, name=name)

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> str:
        """A request to the server as anybody may send one; ``200 …`` where it was done."""
        answer = httpx.request(method, f"{self.url}{path}", json=dict(body), timeout=60, trust_env=False)
        return f"{answer.status_code} {answer.text}"

    def set_alias(self, name: str, version: str, alias: str = "production", api: str = "api") -> str:
        """An alias by REST."""
        body = {"name": name, "alias": alias, "version": version}
        return self.send("POST", f"/{api}/2.0/mlflow/registered-models/alias", body)

    def set_tag(self, name: str, version: str, key: str, value: str) -> str:
        """A version's tag by REST."""
        body = {"name": name, "version": version, "key": key, "value": value}
        return self.send("POST", "/api/2.0/mlflow/model-versions/set-tag", body)

    def by_client(self, method: str, *arguments: Any, **options: Any) -> str:
        """A call of MLflow's Python client; ``200`` where it was done."""
        from mlflow.exceptions import MlflowException

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the stage API calls itself deprecated
            try:
                getattr(self.client, method)(*arguments, **options)
            except MlflowException as error:
                return f"{error.get_http_status_code()} {error}"
        return "200"

    def by_sql(self, statement: str, *values: str) -> None:
        """An edit of the database behind everybody's back."""
        with sqlite3.connect(self.settings.mlflow_folder / "mlflow.db", timeout=30) as database:
            assert database.execute(statement, values).rowcount > 0
        database.close()

    def alias_by_sql(self, name: str, version: str, alias: str = "production") -> None:
        self.by_sql(
            "insert or replace into registered_model_aliases (name, alias, version, workspace) "
            "values (?, ?, ?, 'default')", name, alias, version,
        )  # fmt: skip

    def standing(self, name: str) -> str:
        """The version that production is, empty for none."""
        return str(self.client.get_registered_model(name).aliases.get("production", ""))

    def promotion(self, name: str, version: str) -> str:
        """What the program's own promotion says; empty where it promotes."""
        return _refusal(lambda: promote_version(name, version, settings=self.settings))

    def serving(self, name: str) -> str:
        """What ``touchstone serve models:/NAME@production`` says before it loads; empty where it would."""

        def check() -> None:
            model = f"models:/{name}@production"
            check_loadable(model, registry.resolve_model(model, self.settings), settings=self.settings)

        return _refusal(check)

    def loading(self, name: str) -> str:
        """What loading as a pyfunc says; empty where it loads."""
        return _refusal(lambda: load_production(name, settings=self.settings))

    def log(self) -> AuditReport:
        return open_audit(self.settings).verify()

    def mlflow_copy(self, name: str, version: str) -> Path:
        """MLflow's own folder of a version."""
        with registry._registry(self.settings):
            return registry._model_folder(registry.get_version(name, version, settings=self.settings))


def _refusal(action: Any) -> str:
    try:
        action()
    except TouchstoneError as error:
        return str(error)
    return ""


def rewrite(path: Path, change: Any) -> None:
    """Change a JSON file's value in place, written as the product writes it."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
