"""Who calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import _answers as answers
from .._call import Arguments, Call, Repeat
from .._not_given import NOT_GIVEN, NotGiven
from .._resource import AsyncResource, async_raw

if TYPE_CHECKING:
    import httpx

    from .. import _models as m


class AsyncAuth(AsyncResource):
    """`client.auth`."""

    @property
    def with_raw_response(self) -> AsyncAuthWithRawResponse:
        """The same calls, returning answers with their headers."""
        return AsyncAuthWithRawResponse(AsyncAuth(self._transport, raw=True))

    async def whoami(
        self,
        *,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.WhoAmI:
        """Tells who calls. Any key may ask; it counts against its limit."""
        args = Arguments()
        headers = args.headers(workspace_id=workspace_id)
        args.check("whoami")
        return await self._send(
            Call(
                operation="whoami",
                method="GET",
                path="/api/v1/auth/whoami",
                parse=answers.who_am_i,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                takes_workspace=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )


class AsyncAuthWithRawResponse:
    """`client.auth.with_raw_response`."""

    def __init__(self, auth: AsyncAuth) -> None:
        self.whoami = async_raw(auth.whoami)
