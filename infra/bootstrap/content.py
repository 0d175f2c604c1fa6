"""The content store of a deployment: a folder, or a bucket on S3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from adapters.content.files import FileContentStore
from adapters.content.s3_credentials import of_environment, of_file
from commands.ports import ContentStore
from infra.settings import ConfigurationError, ContentSettings

if TYPE_CHECKING:
    from adapters.content.s3 import S3ContentStore


class ListedContentStore(ContentStore, Protocol):
    """A content store whose blobs can be counted up, as a backup must."""

    def listed(self) -> AsyncIterator[tuple[str, str]]:
        """Tenant and digest of every blob. Raises ``ServiceUnreachable``."""
        ...


@contextmanager
def content_store(settings: ContentSettings) -> Iterator[ListedContentStore]:
    """The content store, whose connections end with the context. Nothing is sent before it is used.

    Raises:
        ConfigurationError: it is on S3, and the extra for that is not installed.

    """
    if settings.directory is not None:
        yield FileContentStore(settings.directory)
        return
    store = _s3_store(settings)
    try:
        yield store
    finally:
        store.close()


async def check_content(settings: ContentSettings) -> None:
    """See that a bucket answers to the configured key; a folder is made when it is written to.

    Raises ``ServiceUnreachable``, ``ConfigurationError``.
    """
    if settings.s3 is None:
        return
    store = _s3_store(settings)
    try:
        await store.check()
    finally:
        store.close()


def _s3_store(settings: ContentSettings) -> S3ContentStore:
    try:
        from adapters.content.s3 import S3ContentStore  # noqa: PLC0415  # an extra, which files do not need
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"content.url: {settings.url} needs the package {missing.name}: pip install 'precedent[s3]'"
        ) from None
    assert settings.s3 is not None
    keys = (
        of_file(settings.credentials.expanduser())
        if settings.credentials is not None
        else of_environment(settings.access_key_env, settings.secret_key_env)
    )
    return S3ContentStore(settings.s3, keys)
