"""Settings of the packaging stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.core.config import StageConfig


class PackagingConfig(StageConfig):
    """What is packed, and what the server accepts."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Name of the registered model.")
    task: Literal["text-classification"] = Field(description="Hugging Face's name of the task.")
    languages: tuple[Literal["en", "zh"], ...] = Field(min_length=1, description="Languages the model is for.")
    max_texts_per_request: int = Field(default=64, ge=1, le=4096, description="Longer lists are refused by the server.")
