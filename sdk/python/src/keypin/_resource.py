"""What the groups of calls are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from ._call import NO_WORKSPACE, Arguments, Call, is_uuid
from ._not_given import NotGiven
from ._pages import AsyncPage, AsyncPaginator, SyncPage

if TYPE_CHECKING:
    from ._answers import Rows
    from ._async.transport import AsyncTransport
    from ._response import APIResponse
    from ._sync.transport import SyncTransport
    from ._world import World

P = ParamSpec("P")
T = TypeVar("T")

Offset = int | NotGiven  # None, which the types do not have, selects nothing, like one that is left out


def workspace_of(given: str | NotGiven, client: str | None, args: Arguments) -> str:
    """The workspace that a path names: the call's, else the client's."""
    if isinstance(given, NotGiven) and client is not None:
        return client
    if isinstance(given, str) and is_uuid(given):
        return given
    needed = "is needed: pass workspace_id= here or to the client, or set KEYPIN_WORKSPACE_ID"
    args.fault("path.workspace_id", needed if isinstance(given, NotGiven) else NO_WORKSPACE)
    return "00000000-0000-0000-0000-000000000000"


def idempotency_key_of(given: str | NotGiven, world: World) -> str:
    """The Idempotency-Key of a call: the caller's, whatever it is, else a new one."""
    return world.uuid() if isinstance(given, NotGiven) else given


class AsyncResource:
    """A group of calls. Where `raw`, they return APIResponse, and cast says otherwise."""

    def __init__(self, transport: AsyncTransport, raw: bool = False) -> None:
        self._transport = transport
        self._raw = raw

    async def _send(self, call: Call[T]) -> T:
        answer = await self._transport.send(call)
        return cast(T, answer) if self._raw else answer.parse()

    def _list(self, make: Callable[[Offset], Call[Rows[T]]], offset: Offset) -> AsyncPaginator[T]:
        first = make(offset)  # what is wrong with the arguments is told now

        async def answer(call: Call[Rows[T]], at: int) -> APIResponse[AsyncPage[T]]:
            return (await self._transport.send(call))._map(lambda rows: AsyncPage(rows, at, fetch))

        async def fetch(at: int) -> AsyncPage[T]:
            return (await answer(make(at), at)).parse()

        async def begin() -> AsyncPage[T]:
            page = await answer(first, offset or 0)
            return cast(AsyncPage[T], page) if self._raw else page.parse()

        return AsyncPaginator(begin)


class SyncResource:
    """A group of calls. Where `raw`, they return APIResponse, and cast says otherwise."""

    def __init__(self, transport: SyncTransport, raw: bool = False) -> None:
        self._transport = transport
        self._raw = raw

    def _send(self, call: Call[T]) -> T:
        answer = self._transport.send(call)
        return cast(T, answer) if self._raw else answer.parse()

    def _list(self, make: Callable[[Offset], Call[Rows[T]]], offset: Offset) -> SyncPage[T]:
        def answer(call: Call[Rows[T]], at: int) -> APIResponse[SyncPage[T]]:
            return self._transport.send(call)._map(lambda rows: SyncPage(rows, at, fetch))

        def fetch(at: int) -> SyncPage[T]:
            return answer(make(at), at).parse()

        page = answer(make(offset), offset or 0)
        return cast(SyncPage[T], page) if self._raw else page.parse()


def async_raw(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[APIResponse[T]]]:
    """The type of a call of a raw resource."""
    return cast("Callable[P, Awaitable[APIResponse[T]]]", call)


def sync_raw(call: Callable[P, T]) -> Callable[P, APIResponse[T]]:
    """The type of a call of a raw resource."""
    return cast("Callable[P, APIResponse[T]]", call)
