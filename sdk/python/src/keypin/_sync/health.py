# Written by scripts/generate_sync.py; not edited by hand.
"""Probes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import _answers as answers
from .._call import Call, Repeat
from .._not_given import NOT_GIVEN, NotGiven
from .._resource import SyncResource, sync_raw

if TYPE_CHECKING:
    import httpx

    from .. import _models as m


class Health(SyncResource):
    """`client.health`. Probes are sent once, without the token."""

    @property
    def with_raw_response(self) -> HealthWithRawResponse:
        """The same calls, returning answers with their headers."""
        return HealthWithRawResponse(Health(self._transport, raw=True))

    def live(
        self,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Probe:
        """Tells whether the service runs."""
        return self._send(
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

    def ready(
        self,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Probe:
        """Tells whether the service can work; InternalServerError (503) when it cannot."""
        return self._send(
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


class HealthWithRawResponse:
    """`client.health.with_raw_response`."""

    def __init__(self, health: Health) -> None:
        self.live = sync_raw(health.live)
        self.ready = sync_raw(health.ready)
