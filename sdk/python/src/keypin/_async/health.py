"""Probes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import _answers as answers
from .._call import Call, Repeat
from .._not_given import NOT_GIVEN, NotGiven
from .._resource import AsyncResource, async_raw

if TYPE_CHECKING:
    import httpx

    from .. import _models as m


class AsyncHealth(AsyncResource):
    """`client.health`. Probes are sent once, without the token."""

    @property
    def with_raw_response(self) -> AsyncHealthWithRawResponse:
        """The same calls, returning answers with their headers."""
        return AsyncHealthWithRawResponse(AsyncHealth(self._transport, raw=True))

    async def live(
        self,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Probe:
        """Tells whether the service runs."""
        return await self._send(
            Call(
                operation="health",
                method="GET",
                path="/health",
                parse=answers.probe,
                repeat=Repeat.NEVER,
                headers={},
                public=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    async def ready(
        self,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Probe:
        """Tells whether the service can work; InternalServerError (503) when it cannot."""
        return await self._send(
            Call(
                operation="ready",
                method="GET",
                path="/ready",
                parse=answers.probe,
                repeat=Repeat.NEVER,
                headers={},
                public=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )


class AsyncHealthWithRawResponse:
    """`client.health.with_raw_response`."""

    def __init__(self, health: AsyncHealth) -> None:
        self.live = async_raw(health.live)
        self.ready = async_raw(health.ready)
