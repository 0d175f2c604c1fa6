"""What a deployment may choose, where each value comes from, and what is refused."""

from infra.settings.content import ContentSettings
from infra.settings.embedder import HttpEmbedder
from infra.settings.load import load
from infra.settings.model import (
    ConfigurationError,
    DatabaseSettings,
    Durability,
    HttpModel,
    HttpSettings,
    NatsSettings,
    RecordedModel,
    Settings,
    TaskLimits,
)
from infra.settings.show import EffectiveValue, effective

__all__ = [
    "ConfigurationError",
    "ContentSettings",
    "DatabaseSettings",
    "Durability",
    "EffectiveValue",
    "HttpEmbedder",
    "HttpModel",
    "HttpSettings",
    "NatsSettings",
    "RecordedModel",
    "Settings",
    "TaskLimits",
    "effective",
    "load",
]
