"""Where things are: the home folder and the servers. The only place that reads environment variables.

``TOUCHSTONE_HOME`` (default ``.touchstone`` in the current folder) holds everything::

    artefacts/, work/       the artefact store
    mlflow/                 mlflow.db and the artefacts of runs and models
    prefect/                Prefect's home
    releases/, keys/, runs/, logs/, locks/
    documents/NAME/vN/      what a promotion wrote about the version; index.html
    audit.jsonl             every attempt to change the model registry
    ledger/                 what private trainings have spent of each scope's budget
    servers.json            addresses of servers that ``touchstone ui`` and ``schedule`` started

``MLFLOW_TRACKING_URI``, ``MLFLOW_REGISTRY_URI`` and ``PREFECT_API_URL`` win where set; then servers recorded for this
home; then SQLite and a temporary Prefect server.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.servers import find_server, guarded_registry_uri

# Libraries read these at import, so `prepare_environment` must come before the first heavy import.
_ALWAYS = {
    # No call home: without internet each of these waits on name look-ups.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Seven job consumers outlive a killed MLflow server otherwise.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # No pickle: 3.17 has the first guard only. From 3.18 `MLFLOW_ALLOW_MODEL_CODE_EXECUTION=false` would refuse every
    # pyfunc, ours too (its code is a text file under the payload's digests), so that one is not set.
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "TOKENIZERS_PARALLELISM": "false",
}

# Whoever runs the program may choose otherwise.
_UNLESS_SET = {
    # Waiting threads soon sleep: ever-spinning ones slow a small model tenfold once anything else wants a core.
    "GOMP_SPINCOUNT": "10000",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "components",
    # An absent tracker must cost seconds, not the minutes of the default seven retries.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}

_QUIET = {
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


class Settings(BaseSettings):
    """Addresses and storage roots, from the environment."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="TOUCHSTONE_", frozen=True, extra="ignore", populate_by_name=True
    )

    home: Path = Field(default=Path(".touchstone"), description="Everything the program keeps.")
    mlflow_tracking_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")
    mlflow_registry_uri: str = Field(default="", validation_alias="MLFLOW_REGISTRY_URI")
    prefect_api_url: str = Field(default="", validation_alias="PREFECT_API_URL")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def mlflow_folder(self) -> Path:
        """Database and artefacts of the local MLflow."""
        return self.home / "mlflow"

    @property
    def database_uri(self) -> str:
        """The local MLflow database, whether or not a server stands before it."""
        return f"sqlite:///{self.mlflow_folder / 'mlflow.db'}"

    @property
    def artifact_root(self) -> str:
        """Folder of MLflow artefacts, as a ``file:`` URI."""
        return (self.mlflow_folder / "artifacts").as_uri()

    @property
    def releases_folder(self) -> Path:
        """Release folders, ``<name>/<digest>/``."""
        return self.home / "releases"

    @property
    def documents_folder(self) -> Path:
        """Documents of promoted versions, ``<name>/v<version>/``."""
        return self.home / "documents"

    @property
    def keys_folder(self) -> Path:
        """Signing keys and their public records."""
        return self.home / "keys"

    @property
    def logs_folder(self) -> Path:
        """Server logs and tracebacks."""
        return self.home / "logs"

    def tracking_uri(self) -> str:
        """MLflow's tracking address: the environment's, a live recorded server's, or the database itself."""
        if self.mlflow_tracking_uri:
            return self.mlflow_tracking_uri
        server = find_server(self.home, "mlflow")
        return server.address if server else self.database_uri

    def registry_uri(self) -> str:
        """The model registry's address: the environment's, else tracking's; this home's database behind its guard."""
        uri = self.mlflow_registry_uri or self.tracking_uri()
        return guarded_registry_uri(self.home) if uri == self.database_uri else uri

    def api_url(self) -> str:
        """Prefect's API address, or an empty string where a temporary server is needed."""
        if self.prefect_api_url:
            return self.prefect_api_url
        server = find_server(self.home, "prefect")
        return f"{server.address}/api" if server else ""

    def tracks_locally(self) -> bool:
        """Whether runs end in this home's database, directly or through its own server."""
        return not self.mlflow_tracking_uri or self.mlflow_tracking_uri == self.database_uri


def environment_for(settings: Settings, *, quiet: bool = True) -> dict[str, str]:
    """The variables this process and its children need, beside those that already stand."""
    wanted = dict(_ALWAYS)
    optional = {**_UNLESS_SET, **(_QUIET if quiet else {})}
    wanted.update({name: value for name, value in optional.items() if name not in os.environ})
    wanted["TOUCHSTONE_HOME"] = str(settings.home)
    wanted["PREFECT_HOME"] = str(settings.home / "prefect")
    if api_url := settings.api_url():
        wanted["PREFECT_API_URL"] = api_url
    return wanted


def prepare_environment(settings: Settings | None = None, *, quiet: bool = True) -> Settings:
    """Set the process's environment. Call it before importing prefect, mlflow, transformers or great_expectations."""
    settings = settings or Settings()
    os.environ.update(environment_for(settings, quiet=quiet))
    return settings
