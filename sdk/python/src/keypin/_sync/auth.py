# Written by scripts/generate_sync.py; not edited by hand.
"""Who calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import _answers as answers
from .._call import Arguments, Call, Repeat
from .._not_given import NOT_GIVEN, NotGiven
from .._resource import SyncResource, sync_raw

if TYPE_CHECKING:
    import httpx

    from .. import _models as m


class Auth(SyncResource):
    """`client.auth`."""

    @property
    def with_raw_response(self) -> AuthWithRawResponse:
        """The same calls, returning answers with their headers."""
        return AuthWithRawResponse(Auth(self._transport, raw=True))

    def whoami(
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
        return self._send(
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


class AuthWithRawResponse:
    """`client.auth.with_raw_response`."""

    def __init__(self, auth: Auth) -> None:
        self.whoami = sync_raw(auth.whoami)
