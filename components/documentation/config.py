"""Settings of the documentation stage: who answers for the data. Everything else in a card is counted."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pydantic import Field

from components.cleaning.config import SplitConfig
from components.core.config import StageConfig
from components.ingestion.config import IngestionConfig
from components.scrubbing.config import ScrubbingConfig


class DocumentationConfig(StageConfig):
    """What no stage can measure. A key that is null is listed in the card as not recorded."""

    name: str = Field(
        default="corpus", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120, description="Name of the data set."
    )
    creator: str | None = Field(default=None, min_length=1, description="Organisation that answers for the data.")
    url: str | None = Field(default=None, pattern=r"^https?://\S+$", description="Where the data set is described.")
    published: datetime.date | None = Field(default=None, description="Day on which it was published, if it was.")
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$", description="MAJOR.MINOR.PATCH of the data set.")


@dataclass(frozen=True, slots=True)
class StageConfigs:
    """The settings that a corpus was made with; those of a skipped stage are not looked at."""

    ingestion: IngestionConfig
    scrubbing: ScrubbingConfig
    splitting: SplitConfig
    documentation: DocumentationConfig
