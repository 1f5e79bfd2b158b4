"""How much a workspace's keys are used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from .. import _answers as answers
from .._call import Arguments, Call, Repeat
from .._not_given import NOT_GIVEN, NotGiven
from .._resource import AsyncResource, async_raw

if TYPE_CHECKING:
    import httpx

    from .. import _models as m


class AsyncUsage(AsyncResource):
    """`client.usage`; that of one key is `client.api_keys.usage`."""

    @property
    def with_raw_response(self) -> AsyncUsageWithRawResponse:
        """The same calls, returning answers with their headers."""
        return AsyncUsageWithRawResponse(AsyncUsage(self._transport, raw=True))

    async def get(
        self,
        *,
        from_: datetime | NotGiven = NOT_GIVEN,
        to: datetime | NotGiven = NOT_GIVEN,
        granularity: m.Granularity | NotGiven = NOT_GIVEN,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.WorkspaceUsage:
        """Tells how often the workspace's keys were verified, and how that came out."""
        args = Arguments()
        query = args.query(from_=from_, to=to, granularity=granularity)
        headers = args.headers(workspace_id=workspace_id)
        args.check("get-usage")
        return await self._send(
            Call(
                operation="get-usage",
                method="GET",
                path="/api/v1/usage" + query,
                parse=answers.workspace_usage,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                takes_workspace=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )


class AsyncUsageWithRawResponse:
    """`client.usage.with_raw_response`."""

    def __init__(self, usage: AsyncUsage) -> None:
        self.get = async_raw(usage.get)
