"""Big data fields of events: kept in the content store, and put back when an event is loaded.

A field whose JSON is above 64 KiB (or a smaller one, where many together are too much) becomes
``{"$content": digest, "size": n, "mediatype": ...}``, so an event never fails for the size of what it carries. Only the
writer makes these references; they resolve within the event's tenant.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from commands.ports import ContentStore
from domain.kernel.errors import StoredDataInvalid
from domain.kernel.events import Draft

LARGEST_INLINE: Final = 64 * 1024
"""Bytes of JSON that one field may take inside an event."""

LARGEST_DATA: Final = 8 * LARGEST_INLINE
"""Bytes of JSON that all fields of an event may take together: beyond, the largest move out as well."""

MEDIATYPE: Final = "application/json"


async def externalize(draft: Draft, tenant: str, content: ContentStore) -> Draft:
    """The same event, with each big field stored and replaced by its reference."""
    if len(orjson.dumps(draft.data)) <= LARGEST_INLINE:
        return draft
    data = dict(draft.data)
    encoded = {name: orjson.dumps(value) for name, value in data.items()}
    total = sum(map(len, encoded.values()))
    for name in sorted(encoded, key=lambda name: (-len(encoded[name]), name)):
        if len(encoded[name]) <= LARGEST_INLINE and total <= LARGEST_DATA:
            break
        data[name] = await _store(encoded[name], tenant, content)
        total -= len(encoded[name])
    return Draft(
        id=draft.id,
        type=draft.type,
        time=draft.time,
        correlation=draft.correlation,
        causation=draft.causation,
        actor=draft.actor,
        data=data,
        traceparent=draft.traceparent,
    )


async def _store(encoded: bytes, tenant: str, content: ContentStore) -> dict[str, Any]:
    digest = await content.put(tenant, encoded, MEDIATYPE)
    return {"$content": digest, "size": len(encoded), "mediatype": MEDIATYPE}


def is_reference(value: Any) -> bool:
    """Whether a data field stands in the content store."""
    return isinstance(value, dict) and "$content" in value


async def resolve(data: dict[str, Any], tenant: str, content: ContentStore) -> dict[str, Any]:
    """Data of an event with every reference replaced by what it refers to."""
    if not any(is_reference(value) for value in data.values()):
        return data
    return {
        name: await _fetch(value, tenant, content) if is_reference(value) else value for name, value in data.items()
    }


async def _fetch(reference: dict[str, Any], tenant: str, content: ContentStore) -> Any:
    encoded = await content.get(tenant, reference["$content"])
    if len(encoded) != reference["size"]:
        raise StoredDataInvalid(
            f"content {reference['$content']} has {len(encoded)} bytes; the event says {reference['size']}"
        )
    return orjson.loads(encoded)
