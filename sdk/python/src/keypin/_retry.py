"""When a call that failed is sent again, and how long to wait before. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._call import Repeat
from ._errors import APIConnectionError, APIStatusError

if TYPE_CHECKING:
    from ._call import Call
    from ._errors import KeypinError
    from ._world import World

FIRST_WAIT = 0.25  # seconds
LONGEST_OF_OURS = 4.0
PATIENCE = 30.0
"""The longest Retry-After that is waited for. A longer one is the caller's to wait for."""


def may_repeat(call: Call[Any], failure: KeypinError) -> bool:
    """Whether the call may be sent again after the failure."""
    if call.repeat is Repeat.NEVER:
        return False
    if isinstance(failure, APIConnectionError):
        if failure.final:
            return False
        return failure.unsent or call.repeat is Repeat.WHEN_UNSURE
    if not isinstance(failure, APIStatusError):
        return False
    if failure.status_code == 429:
        # Refused before anything was done. A quota takes longer than we would wait.
        return failure.code != "quota_exceeded"
    if call.repeat is Repeat.WHEN_NOTHING_DONE:
        return False
    if failure.status_code == 409:
        # Our own first request is still being worked on; its answer will be this one's.
        return call.idempotent and failure.code == "conflict" and failure.retry_after is not None
    return failure.status_code == 408 or failure.status_code >= 500


def next_wait(call: Call[Any], failure: KeypinError, requests: int, max_retries: int, world: World) -> float | None:
    """Seconds to wait before the next request; None = there is none."""
    if requests > max_retries or not may_repeat(call, failure):
        return None
    after = failure.retry_after if isinstance(failure, APIStatusError) else None
    if after:
        # At least what is asked for, and not all at once.
        return None if after > PATIENCE else after + world.chance() * FIRST_WAIT
    longest = min(LONGEST_OF_OURS, FIRST_WAIT * (1 << min(requests - 1, 10)))
    return longest / 2 + world.chance() * longest / 2
