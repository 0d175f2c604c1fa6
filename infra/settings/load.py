"""Read the settings: defaults, then precedent.yaml, then the environment, then the command line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError

from infra.settings.embedder import HttpEmbedder
from infra.settings.model import ConfigurationError, HttpModel, Settings
from infra.settings.yaml_error import told

DEFAULT_FILE = "precedent.yaml"
PREFIX = "PRECEDENT_"
#: Names with our prefix that are not settings: the file to read, and how a service reports to its supervisor.
NOT_SETTINGS = frozenset({"PRECEDENT_CONFIG", "PRECEDENT_READY_FILE"})
_FILE = "file"
_ENVIRONMENT = "environment"
_COMMAND_LINE = "command line"


def load(config: Path | None = None, **overrides: Any) -> Settings:
    """Return the settings in force here.

    ``config`` is a file that must exist; without it PRECEDENT_CONFIG, or ./precedent.yaml where there is one.
    ``overrides`` are the command line's values (``data=Path("d"), nats={"url": ...}``); ``None`` means not given.

    Raises:
        ConfigurationError: a value, a key or the file is wrong; the message lists every one with what is allowed.

    """
    file = _file_to_read(config)
    layers = {
        _COMMAND_LINE: _given(overrides),
        _ENVIRONMENT: _environment(),
        _FILE: _read(file) if file else {},
    }
    merged: dict[str, Any] = {}
    for layer in reversed(layers.values()):
        merged = _merged(merged, layer)
    origins = {path: _origin(path, file, name) for name, layer in reversed(layers.items()) for path, _ in leaves(layer)}
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        lines = [_explain(detail, origins) for detail in error.errors(include_url=False)]
        raise ConfigurationError("\n".join(lines)) from None
    settings._config_file, settings._overrides, settings._origins = file, layers[_COMMAND_LINE], origins  # noqa: SLF001
    return settings


def leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of nested mappings with its dotted key path."""
    for key, value in tree.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def variable(path: str) -> str:
    """The environment variable of a key path."""
    return PREFIX + path.replace(".", "__").upper()


def _given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _given(value) if isinstance(value, Mapping) else value
        for key, value in overrides.items()
        if value is not None
    }


def _file_to_read(config: Path | None) -> Path | None:
    named = config or (Path(given) if (given := os.environ.get("PRECEDENT_CONFIG")) else None)
    if named is None:
        found = Path.cwd() / DEFAULT_FILE
        return found if found.is_file() else None
    if not named.is_file():
        raise ConfigurationError(f"{named}: there is no such configuration file; correct --config or PRECEDENT_CONFIG")
    return named.absolute()


def _read(file: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file}{told(error)}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: this is not UTF-8 text (byte {error.start})") from None
    except (RecursionError, ValueError) as error:
        raise ConfigurationError(f"{file}: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from None
    if read is None:
        return {}
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise ConfigurationError(f"{file}: a mapping of keys to values is expected, as in 'durability: fsync'")
    return _relative_to(file.parent, read)


def _relative_to(folder: Path, read: dict[str, Any]) -> dict[str, Any]:
    """Anchor the paths of a file at the file, so that it means the same from every working directory."""

    def anchored(value: Any, prefix: str = "") -> Any:
        if not isinstance(value, str) or not value.startswith(prefix) or value == prefix:
            return value
        path = value.removeprefix(prefix)
        return value if path.startswith("~") else f"{prefix}{folder / path}"

    if "data" in read:
        read["data"] = anchored(read["data"])
    for section, key, prefix in (
        ("content", "url", "file:"),
        ("content", "credentials", ""),
        ("nats", "credentials", ""),
        ("toolbox", "root", ""),
    ):
        if isinstance(read.get(section), dict) and key in read[section]:
            read[section][key] = anchored(read[section][key], prefix)
    if isinstance(models := read.get("models"), dict):
        read["models"] = {name: anchored(model, "recorded:") for name, model in models.items()}
        for model in read["models"].values():
            if isinstance(model, dict) and "record" in model:
                model["record"] = anchored(model["record"])
    return read


def _environment() -> dict[str, Any]:
    known = {name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if not name.upper().startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        first, _, _ = name[len(PREFIX) :].upper().partition("__")
        if first not in known:
            raise ConfigurationError(
                f"environment {name}: unknown key{_meant(name, [variable(path) for path in _all_keys()])}"
            )
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise ConfigurationError(f'environment: {error}; a list is written as JSON, as in \'["a", "b"]\'') from None


def _all_keys() -> list[str]:
    keys = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        inner = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else {}
        keys += [f"{name}.{key}" for key in inner] or [name]
    return keys


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


def _origin(path: str, file: Path | None, layer: str) -> str:
    if layer == _FILE:
        return str(file)
    if layer == _ENVIRONMENT:
        parts = path.split(".")
        names = (variable(".".join(parts[:length])) for length in range(len(parts), 0, -1))
        return "environment " + next((name for name in names if name in os.environ), variable(path))
    return layer


def _explain(detail: ErrorDetails, origins: Mapping[str, str]) -> str:
    path = [str(part) for part in detail["loc"] if part != "[key]"]
    if path[:1] == ["models"] and len(path) > 2 and path[2] in ("http", "recorded"):  # the tag of the union
        del path[2]
    if path[:1] == ["embedder"] and len(path) > 1:  # likewise
        del path[1]
    key = ".".join(path)
    origin = _nearest_origin(path, origins)
    match detail["type"]:
        case "extra_forbidden":
            wrong = "unknown key" + _meant(key, _siblings(path))
        case "missing":
            wrong = "this key is required"
        case "value_error":
            wrong = str(detail["ctx"]["error"]) if not path else f"expected {detail['ctx']['error']}"
        case _:
            wrong = detail["msg"][:1].lower() + detail["msg"][1:]
            if isinstance(detail["input"], (str, int, float)) and path[-1:] != ["password"]:
                wrong += f", not {detail['input']!r}"
    return ": ".join(part for part in (origin, key, wrong) if part)


def _nearest_origin(path: list[str], origins: Mapping[str, str]) -> str:
    """Where the key was said, or what stands nearest to it: a key that is missing was said nowhere."""
    for length in range(len(path), 0, -1):
        above = ".".join(path[:length])
        for known, origin in origins.items():
            if known == above or known.startswith(f"{above}."):
                return origin
    return ""


def _siblings(path: list[str]) -> list[str]:
    if len(path) == 1:
        return sorted(Settings.model_fields)
    if path[0] == "models":
        return [".".join([*path[:-1], key]) for key in HttpModel.model_fields]
    if path[0] == "embedder":
        return [f"embedder.{key}" for key in HttpEmbedder.model_fields]
    inner = _section(path[:-1])
    return [".".join([*path[:-1], key]) for key in (inner.model_fields if inner else {})]


def _section(path: list[str]) -> type[BaseModel] | None:
    """The group of keys at this path."""
    found: Any = Settings
    for part in path:
        field = found.model_fields.get(part)
        found = None if field is None else field.annotation
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return None
    return found  # type: ignore[no-any-return]


def _meant(key: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(key, allowed, n=1, cutoff=0.85)
    return f"; did you mean {close[0]}?" if close else f"; allowed: {', '.join(allowed)}"
