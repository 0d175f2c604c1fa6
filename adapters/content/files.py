"""Content store in a folder: one file a blob, named by its digest, apart by tenant.

`<folder>/<tenant>/<first two hex digits>/<64 hex digits>`. A file appears complete or not at all (written beside,
flushed, renamed, and the folder flushed), so a crash leaves at most a `.partial` file, which nothing reads.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from adapters.content.address import hexadecimal
from adapters.system.folders import flush_folder
from adapters.system.whole_files import appearing
from domain.kernel.errors import NotFound, ServiceUnreachable, StoredDataInvalid
from domain.kernel.ids import token
from domain.kernel.values import digest_bytes

_NAME = re.compile(r"[0-9a-f]{64}")


class FileContentStore:
    """`commands.ports.ContentStore` in a folder. Any number of processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, which is made at the first write."""
        self._folder = folder

    async def put(self, tenant: str, data: bytes, mediatype: str) -> str:  # noqa: ARG002  # references carry it
        """Store durably and return the digest. Raises `StoredDataInvalid` if other bytes stand at this address."""
        return await asyncio.to_thread(self._put, tenant, data)

    async def get(self, tenant: str, digest: str) -> bytes:
        """Return the bytes, verified. Raises `NotFound`, `StoredDataInvalid`, or `InvalidInput` for a wrong digest."""
        return await asyncio.to_thread(self._get, tenant, digest)

    async def listed(self) -> AsyncIterator[tuple[str, str]]:
        """Tenant and digest of every blob; other files, and half written ones, are left out.

        Raises `ServiceUnreachable`.
        """
        try:
            for found in await asyncio.to_thread(self._tenants):
                for name in await asyncio.to_thread(_names, found):
                    yield found.name, f"sha256:{name}"
        except OSError as error:
            raise ServiceUnreachable(
                f"content store cannot read {error.filename or self._folder}: {error.strerror or error}"
            ) from error

    def _tenants(self) -> list[Path]:
        # Not every folder is a tenant's: beside them lies the ledger's, whose name no tenant can have.
        return sorted(each for each in self._folder.glob("[!.]*") if each.is_dir())

    def _put(self, tenant: str, data: bytes) -> str:
        digest = digest_bytes(data)
        path = self._path(tenant, digest)
        try:
            if path.exists():
                _verify(path, digest)
            else:
                _write(path, data)
            # Also when another writer made the file: its rename may not be on disk yet, and we are about to promise.
            flush_folder(path.parent)
        except OSError as error:
            raise ServiceUnreachable(f"content store cannot write {path}: {error.strerror or error}") from error
        return digest

    def _get(self, tenant: str, digest: str) -> bytes:
        path = self._path(tenant, digest)
        try:
            return _verify(path, digest)
        except FileNotFoundError:
            raise NotFound(f"content {digest} of tenant {tenant} is not in {self._folder}") from None
        except OSError as error:
            raise ServiceUnreachable(f"content store cannot read {path}: {error.strerror or error}") from error

    def _path(self, tenant: str, digest: str) -> Path:
        name = hexadecimal(digest)
        return self._folder / token(tenant, "tenant") / name[:2] / name


def _names(tenant: Path) -> list[str]:
    return sorted(each.name for each in tenant.glob("??/*") if _NAME.fullmatch(each.name))


def _verify(path: Path, digest: str) -> bytes:
    data = path.read_bytes()
    if digest_bytes(data) != digest:
        raise StoredDataInvalid(
            f"{path} holds {len(data)} bytes that do not have the digest {digest}: the file was damaged or edited; "
            "restore it from a backup, or delete it if its bytes can be stored again"
        )
    return data


def _write(path: Path, data: bytes) -> None:
    _make_folder(path.parent)
    with appearing(path) as file:  # whoever comes last replaces the same bytes by the same bytes
        file.write(data)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    flush_folder(folder.parent)
