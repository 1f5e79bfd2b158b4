"""How many requests are under way at once, and how long one may take as a whole.

httpcore looks at every connection for every request that waits, at each event: a thousand
requests that wait in its queue take ten times as long as a thousand that wait here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import anyio

AT_ONCE = 100


class AsyncGate:
    """Lets so many requests through at once, the longest waiting first."""

    def __init__(self) -> None:
        self._free: anyio.Semaphore | None = None

    async def enter(self, within: float | None) -> None:
        """Waits to be let through; httpx.PoolTimeout when that takes too long."""
        import anyio

        if self._free is None:
            self._free = anyio.Semaphore(AT_ONCE)
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            try:
                with anyio.fail_after(within):
                    await self._free.acquire()
            except TimeoutError:
                raise httpx.PoolTimeout("no connection became free in time") from None

    def leave(self) -> None:
        if self._free is not None:
            self._free.release()


class SyncGate:
    """Threads wait for a connection in the pool: there are fewer of them."""

    def enter(self, within: float | None) -> None:
        pass

    def leave(self) -> None:
        pass


@contextmanager
def async_within(seconds: float | None) -> Iterator[None]:
    """Bounds what is done in it as a whole; httpx.ReadTimeout when that takes too long."""
    import anyio

    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise httpx.ReadTimeout("no answer came in time") from None


@contextmanager
def sync_within(seconds: float | None) -> Iterator[None]:
    """A thread cannot be interrupted: httpx bounds its steps, and Bounded the body of its answer."""
    yield
