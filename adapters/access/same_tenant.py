"""The simplest authorization: a principal may send every command within the tenant that the broker gave it."""

from __future__ import annotations

from collections.abc import Collection


class OnlyTenants:
    """Allows the commands of these tenants. The broker's permissions tie a principal to its tenant."""

    def __init__(self, tenants: Collection[str]) -> None:
        """Serve these tenants."""
        self._tenants = frozenset(tenants)

    def denial(self, tenant: str, principal: str, command: str) -> str | None:
        """As the port says."""
        if tenant in self._tenants:
            return None
        return f"{principal} may not send {command} to tenant {tenant!r}: this worker serves {sorted(self._tenants)}"
