"""Lists that fetch their pages as one goes through them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

from ._answers import Rows

T = TypeVar("T")


class _Page(Generic[T]):
    """A part of a list."""

    data: list[T]
    """The items of this page."""

    offset: int
    """The place of its first item in the list."""

    limit: int
    """How many items a page holds at most."""

    total: int
    """How many items the whole list holds."""

    def __init__(self, rows: Rows[T], offset: int) -> None:
        self.data, self.limit, self.total, self.offset = rows.data, rows.limit, rows.total, offset
        self._more = rows.more

    def has_next_page(self) -> bool:
        return self._more and bool(self.data)

    def __repr__(self) -> str:
        end = self.offset + len(self.data)
        return f"<{type(self).__name__} {self.offset}–{end} of {self.total}>"


class SyncPage(_Page[T]):
    """A part of a list. Iterating goes on to the list's end:

    >>> for key in client.api_keys.list():
    ...     print(key.name)

    Pages are cut by position: who revokes keys in such a loop moves those that follow, and
    passes over some. Gather them first, with `list(…)`.
    """

    __module__ = "keypin"  # where it is imported from

    def __init__(self, rows: Rows[T], offset: int, fetch: Callable[[int], SyncPage[T]]) -> None:
        super().__init__(rows, offset)
        self._fetch = fetch

    def get_next_page(self) -> SyncPage[T]:
        if not self.has_next_page():
            raise RuntimeError("this is the last page; ask has_next_page() first")
        return self._fetch(self.offset + len(self.data))

    def iter_pages(self) -> Iterator[SyncPage[T]]:
        page = self
        yield page
        while page.has_next_page():
            page = page.get_next_page()
            yield page

    def __iter__(self) -> Iterator[T]:
        for page in self.iter_pages():
            yield from page.data


class AsyncPage(_Page[T]):
    """A part of a list. Iterating goes on to the list's end:

    >>> async for key in client.api_keys.list():
    ...     print(key.name)

    Pages are cut by position: who revokes keys in such a loop moves those that follow, and
    passes over some. Gather them first, with `[key async for key in …]`.
    """

    __module__ = "keypin"  # where it is imported from

    def __init__(self, rows: Rows[T], offset: int, fetch: Callable[[int], Awaitable[AsyncPage[T]]]) -> None:
        super().__init__(rows, offset)
        self._fetch = fetch

    async def get_next_page(self) -> AsyncPage[T]:
        if not self.has_next_page():
            raise RuntimeError("this is the last page; ask has_next_page() first")
        return await self._fetch(self.offset + len(self.data))

    async def iter_pages(self) -> AsyncIterator[AsyncPage[T]]:
        page = self
        yield page
        while page.has_next_page():
            page = await page.get_next_page()
            yield page

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.iter_pages():
            for item in page.data:
                yield item


class AsyncPaginator(Generic[T]):
    """What an asynchronous `list()` returns: await it for one page, or iterate over all items."""

    def __init__(self, first: Callable[[], Awaitable[AsyncPage[T]]]) -> None:
        self._first = first

    def __await__(self) -> Generator[Any, None, AsyncPage[T]]:
        return self._first().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self._first():
            yield item
