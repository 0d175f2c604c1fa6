"""The settings of a deployment: their names, units, ranges and defaults.

Nothing here reads a file or the environment: :func:`infra.settings.load` does, and it turns every refusal into one
:class:`ConfigurationError` that names the key.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    PrivateAttr,
    SecretStr,
    Tag,
    model_serializer,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from domain.kernel.errors import PrecedentError
from infra.settings.cache import CacheSettings
from infra.settings.content import ContentSettings
from infra.settings.embedder import Embedder
from infra.settings.programs import ProgramsSettings
from infra.settings.token import TokenSettings
from infra.settings.toolbox import ToolboxSettings
from infra.settings.values import (
    EnvironmentName,
    HostPattern,
    KeyLine,
    ModelName,
    ModuleName,
    Section,
    Tenant,
    matching,
    url_of,
)
from infra.settings.vectors import VectorsSettings


class ConfigurationError(PrecedentError):
    """Correct the keys that the message names, in the place that it names, and start again; nothing has started."""

    code: ClassVar[str] = "configuration.invalid"


Durability = Literal["fsync", "replicated", "flush"]


class NatsSettings(Section):
    """The broker. Without a URL the embedded stack runs one."""

    url: Annotated[str, url_of("nats", "tls")] | None = None
    #: A JSON file with ``user`` and ``password``; the embedded stack writes one that only its owner may read.
    credentials: Path | None = None
    user: str | None = None
    password: SecretStr | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if self.credentials is not None and (self.user is not None or self.password is not None):
            raise ValueError("either nats.credentials or nats.user with nats.password, not both")
        if (self.user is None) != (self.password is None):
            raise ValueError("nats.user and nats.password together")
        return self


class DatabaseSettings(Section):
    """PostgreSQL for the read side. Without a URL the embedded stack runs one."""

    url: Annotated[str, url_of("postgresql")] | None = Field(default=None, repr=False)


class HttpSettings(Section):
    """What the tool ``http.get`` may reach; by default nothing."""

    allow: tuple[HostPattern, ...] = ()


class HttpModel(Section):
    """A model behind an OpenAI-compatible interface."""

    url: Annotated[str, url_of("http", "https")]
    model: Annotated[str, Field(min_length=1)]
    api_key_env: EnvironmentName | None = None
    #: US dollars for a million tokens.
    price_input: Annotated[float, Field(ge=0)] = 0.0
    price_output: Annotated[float, Field(ge=0)] = 0.0
    tier: Literal["small", "standard", "large"] = "standard"
    #: A ``.jsonl`` transcript to which every answer is added, to be used as ``recorded:PATH`` later.
    record: Path | None = None
    #: Seconds for one answer, retries not included.
    timeout: Annotated[float, Field(gt=0, le=3600)] = 60.0


class RecordedModel(Section):
    """A transcript of earlier answers, written ``recorded:PATH``; it needs no network and says that it is recorded."""

    recorded: Path

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"recorded": value.removeprefix("recorded:")} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if not self.recorded.is_file():
            raise ValueError(f"recorded: and the path of a transcript; {self.recorded} is no file")
        return self

    @model_serializer
    def _as_text(self) -> str:
        return f"recorded:{self.recorded}"


def _kind_of_model(value: object) -> str:
    return "recorded" if isinstance(value, (str, RecordedModel)) else "http"


Model = Annotated[
    Annotated[HttpModel, Tag("http")] | Annotated[RecordedModel, Tag("recorded")], Discriminator(_kind_of_model)
]


class TaskLimits(Section):
    """What a task may spend when it names no limits of its own."""

    seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    tokens: Annotated[int, Field(ge=0)] = 100_000
    #: US dollars.
    usd: Annotated[float, Field(ge=0)] = 1.0
    tool_calls: Annotated[int, Field(ge=0)] = 500


class WitnessSettings(Section):
    """Someone apart from this machine who cosigns checkpoints (C2SP tlog-witness)."""

    key: KeyLine
    url: Annotated[str, url_of("http", "https")]


class LedgerSettings(Section):
    """The signed Merkle tree over the log."""

    #: Name of the log in checkpoints; it belongs to the key, and is taken when a key is made.
    name: Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", "a name such as log.example.org")] | None = None
    #: The signing key; made at the first start, readable by its owner only. Default: ``ledger.key`` in ``data``.
    key: Path | None = None
    #: A signer on another machine instead: it gets ``POST /sign`` and answers with the signature.
    signer: Annotated[str, url_of("http", "https")] | None = None
    #: Or a hardware security module.
    pkcs11: TokenSettings | None = None
    #: The public key of the remote signer or the module.
    signer_key: KeyLine | None = None
    #: Earlier keys of this log, whose checkpoints still count.
    earlier_keys: tuple[KeyLine, ...] = ()
    witnesses: tuple[WitnessSettings, ...] = ()
    #: Witnesses that must cosign before an event counts as published.
    witnesses_required: Annotated[int, Field(ge=0)] = 0
    #: Keep a copy of the log in segments beside the tiles, never behind a checkpoint: what a broken broker loses comes
    #: back from there.
    archive: bool = True

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.signer is not None and self.pkcs11 is not None:
            raise ValueError("either ledger.signer or ledger.pkcs11, not both")
        if self.pkcs11 is None and (self.signer is None) != (self.signer_key is None):
            raise ValueError("ledger.signer and ledger.signer_key together")
        if self.witnesses_required > len(self.witnesses):
            raise ValueError(f"ledger.witnesses_required of at most the {len(self.witnesses)} witnesses that are named")
        return self

    @property
    def is_key_elsewhere(self) -> bool:
        """Whether no key file of ours signs."""
        return self.signer is not None or self.pkcs11 is not None


def default_data_directory() -> Path:
    """``.precedent`` below the working directory; for root one below /var/lib.

    As root the embedded PostgreSQL runs as another user, which could not reach a private home.
    """
    here = Path.cwd().resolve()
    if os.geteuid() != 0:
        return here / ".precedent"
    name = re.sub(r"[^A-Za-z0-9_-]", "-", here.name)[:40] or "root"
    return Path("/var/lib/precedent") / f"{name}-{hashlib.sha256(str(here).encode()).hexdigest()[:8]}"


class Settings(BaseSettings):
    """Everything a deployment may choose. Absent means the embedded default."""

    model_config = SettingsConfigDict(
        env_prefix="PRECEDENT_", env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    data: Path = Field(default_factory=default_data_directory)
    tenant: Tenant = "default"
    nats: NatsSettings = NatsSettings()
    database: DatabaseSettings = DatabaseSettings()
    content: ContentSettings
    models: dict[ModelName, Model] = {}
    #: Who makes points of texts, for semantic reuse. ``auto``: MiniLM where it is installed as published, else words.
    embedder: Embedder = "auto"
    #: Where those points are searched.
    vectors: VectorsSettings = VectorsSettings()
    programs: ProgramsSettings = ProgramsSettings()
    cache: CacheSettings = CacheSettings()
    tools: tuple[ModuleName, ...] = ()
    #: Python modules with agents.
    agents: tuple[ModuleName, ...] = ()
    http: HttpSettings = HttpSettings()
    toolbox: ToolboxSettings = ToolboxSettings()
    #: ``fsync``: an acknowledged event is on this machine's disk. ``replicated``: it is on two of three brokers.
    #: ``flush``: the broker writes it out within two minutes, and a power cut loses what it had not.
    durability: Durability = "fsync"
    ledger: LedgerSettings = LedgerSettings()
    limits: TaskLimits = TaskLimits()
    #: Runs that one worker drives at the same time.
    workers: Annotated[int, Field(ge=1, le=1024)] = 64

    #: Filled by :func:`infra.settings.load`: the file that was read, the command line's values, key path -> origin.
    _config_file: Path | None = PrivateAttr(default=None)
    _overrides: Mapping[str, Any] = PrivateAttr(default_factory=dict)
    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def config_file(self) -> Path | None:
        """The file these settings were read from."""
        return self._config_file

    @property
    def overrides(self) -> Mapping[str, Any]:
        """The values that the command line gave, as nested mappings."""
        return self._overrides

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each value that is not a default came from, by key path."""
        return self._origins

    @property
    def content_directory(self) -> Path:
        """The folder of what is kept in files: the ledger's tiles and archive, and content unless it is on S3."""
        return self.content.directory or self.data / "content"

    @model_validator(mode="before")
    @classmethod
    def _place_content_below_data(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        data = value.get("data", default_data_directory())
        if not isinstance(data, (str, Path)):
            return value
        value = value | {"data": Path(data).expanduser().absolute()}
        if "content" not in value:
            value["content"] = {"url": f"file:{value['data'] / 'content'}"}
        return value

    @model_validator(mode="after")
    def _replication_needs_a_cluster(self) -> Self:
        if self.durability == "replicated" and self.nats.url is None:
            raise ValueError(
                "durability 'replicated' needs nats.url of a cluster of three brokers: "
                "the embedded broker is one server, its durable setting is 'fsync'"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what is passed: ``load`` layers the sources, as it must remember where each value came from."""
        return (init_settings,)
