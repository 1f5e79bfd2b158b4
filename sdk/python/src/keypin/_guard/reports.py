"""What was decided here, to be reported: it counts in a key's usage and last_used_at."""

from __future__ import annotations

import threading
from typing import Any

from .._errors import APIStatusError

EVERY = 10.0
"""Seconds; last_used_at is at most 60 s behind."""

AT_ONCE = 500
"""Uses in one report."""

MAX_UNREPORTED = 1 << 16

MAX_AGENT = 256
"""Characters of a user agent. The service shows no more, and a report stays below the 1 MiB that it reads."""


class _Use:
    __slots__ = ("at", "client_ip", "count", "user_agent")

    def __init__(self) -> None:
        self.count = 0
        self.at = 0.0
        self.client_ip: str | None = None
        self.user_agent: str | None = None


class Uses:
    """The uses of keys since the last report, a bounded number."""

    def __init__(self) -> None:
        self._uses: dict[tuple[bytes, str], _Use] = {}
        self._lock = threading.Lock()

    def count(self, hash_: bytes, code: str, at: float, client_ip: str | None, user_agent: str | None) -> None:
        with self._lock:
            use = self._uses.get((hash_, code))
            if use is None:
                if len(self._uses) >= MAX_UNREPORTED:
                    return
                use = self._uses[hash_, code] = _Use()
            use.count += 1
            use.at = at
            if code == "valid":
                use.client_ip, use.user_agent = client_ip, user_agent

    def take(self) -> dict[tuple[bytes, str], _Use]:
        with self._lock:
            uses, self._uses = self._uses, {}
        return uses

    def give_back(self, uses: dict[tuple[bytes, str], _Use]) -> None:
        """What could not be reported is kept for the next report."""
        with self._lock:
            for name, use in uses.items():
                now = self._uses.get(name)
                if now is not None:
                    now.count += use.count
                elif len(self._uses) < MAX_UNREPORTED:
                    self._uses[name] = use


def lines(uses: dict[tuple[bytes, str], _Use]) -> list[dict[str, Any]]:
    """The lines of a report."""
    from datetime import datetime, timezone

    from .memory import address_of

    report = []
    for (hash_, code), use in uses.items():
        line: dict[str, Any] = {
            "key_hash": hash_.hex(),
            "code": code,
            "count": use.count,
            "at": datetime.fromtimestamp(use.at, timezone.utc),
        }
        address = address_of(use.client_ip)
        if address is not None:
            line["client_ip"] = str(address)
        agent = agent_of(use.user_agent)
        if agent:
            line["user_agent"] = agent
        report.append(line)
    return report


def agent_of(text: str | None) -> str:
    """A user agent as the service is told it: what can be printed of its beginning."""
    return "".join(filter(str.isprintable, text[:MAX_AGENT])) if text else ""


def may_be_taken_later(fault: Exception) -> bool:
    """Whether a report that failed may succeed another time. One that is itself at fault never does, and would hold
    up those behind it; a token or an address that is wrong may be put right.
    """
    return not isinstance(fault, APIStatusError) or fault.status_code not in {400, 413, 415, 422, 426}
