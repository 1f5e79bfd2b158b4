# Written by scripts/generate_sync.py; not edited by hand.
"""The client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from .. import _exchange as x
from .._call import is_uuid
from .._not_given import NOT_GIVEN, NotGiven
from .._secret import Secret
from .._world import WORLD, World
from .api_keys import APIKeys, APIKeysWithRawResponse
from .auth import Auth, AuthWithRawResponse
from .health import Health, HealthWithRawResponse
from .members import Members, MembersWithRawResponse
from .transport import SyncConnections, Token, SyncTransport
from .usage import Usage, UsageWithRawResponse
from .workspaces import Workspaces, WorkspacesWithRawResponse

if TYPE_CHECKING:
    import httpx

Self = TypeVar("Self", bound="Keypin")


class Keypin:
    """Calls one service.

    >>> with Keypin(api_key="op_live_…", base_url="https://keys.example.com") as client:
    ...     created = client.api_keys.create(name="Nightly export", scopes=["workflows:read"])
    ...     created.api_key.reveal()

    What is left out comes from the environment: KEYPIN_API_KEY, or else KEYPIN_TOKEN,
    KEYPIN_BASE_URL and KEYPIN_WORKSPACE_ID. Make one client and keep it; it may be used by
    many threads at once, and after a fork.
    Close it with `close()` or `with`.
    """

    __module__ = "keypin"  # where it is imported from

    def __init__(
        self,
        *,
        api_key: Token | None = None,
        token: Token | None = None,
        base_url: str | None = None,
        workspace_id: str | None = None,
        timeout: float | httpx.Timeout | None = x.DEFAULT_TIMEOUT,
        max_retries: int = 2,
        default_headers: Mapping[str, str] | None = None,
        http_client: httpx.Client | None = None,
        _world: World = WORLD,
    ) -> None:
        """Makes a client. It sends nothing.

        api_key: an API key; token: a session token. Either may be a function, which is asked
            before every request, a repeat too, and should keep what it got.
        base_url: where the service is, such as https://keys.example.com.
        workspace_id: the workspace to act in, where a call does not name one. Without it: a
            key's own; for a session the one of its organisation, else the user's own.
        timeout: seconds in which an answer must have come to its end, as is seen at each part of its
            body, and that every step before may take: to get a free connection, to connect (at
            most 5), to send, to wait for the answer's next bytes; or an httpx.Timeout; None = for ever.
        max_retries: how often a failed call is sent again.
        default_headers: sent with every request.
        http_client: sends in place of a client of our own, and stays yours to close. Its
            proxies, certificates and hooks are used; redirects are not followed.
        """
        if api_key is not None and token is not None:
            raise x.invalid("give either api_key= or token=, not both: one of them is sent")
        base = x.base_of(base_url if base_url is not None else os.environ.get("KEYPIN_BASE_URL"))
        if api_key is None and token is None:
            token = os.environ.get("KEYPIN_API_KEY") or os.environ.get("KEYPIN_TOKEN") or None
        if workspace_id is None:
            workspace_id = os.environ.get("KEYPIN_WORKSPACE_ID") or None
        httpx_timeout, total = x.timeout_of(timeout)
        x.check_headers("default_headers", default_headers)
        self._transport = SyncTransport(
            connections=SyncConnections(http_client),
            base=base,
            token=_kept(api_key if api_key is not None else token),
            workspace_id=_workspace(workspace_id),
            headers=x.merged({"Accept": "application/json", "User-Agent": x.USER_AGENT}, default_headers),
            timeout=httpx_timeout,
            total=total,
            max_retries=_retries(max_retries),
            world=_world,
        )

    @property
    def api_keys(self) -> APIKeys:
        """API keys: made, changed, revoked, rotated, verified."""
        return APIKeys(self._transport)

    @property
    def workspaces(self) -> Workspaces:
        """Workspaces own keys and have members."""
        return Workspaces(self._transport)

    @property
    def members(self) -> Members:
        """Who belongs to a workspace, and the invites."""
        return Members(self._transport)

    @property
    def auth(self) -> Auth:
        """Who calls."""
        return Auth(self._transport)

    @property
    def usage(self) -> Usage:
        """How much a workspace's keys are used."""
        return Usage(self._transport)

    @property
    def health(self) -> Health:
        """Probes."""
        return Health(self._transport)

    @property
    def with_raw_response(self) -> KeypinWithRawResponse:
        """The same calls, returning answers with their headers."""
        return KeypinWithRawResponse(self)

    @property
    def base_url(self) -> str:
        return self._transport.base

    @property
    def workspace_id(self) -> str | None:
        return self._transport.workspace_id

    def with_options(
        self: Self,
        *,
        api_key: Token | NotGiven | None = NOT_GIVEN,
        token: Token | NotGiven | None = NOT_GIVEN,
        base_url: str | NotGiven = NOT_GIVEN,
        workspace_id: str | NotGiven | None = NOT_GIVEN,
        timeout: float | httpx.Timeout | NotGiven | None = NOT_GIVEN,
        max_retries: int | NotGiven = NOT_GIVEN,
        default_headers: Mapping[str, str] | NotGiven = NOT_GIVEN,
        http_client: httpx.Client | NotGiven = NOT_GIVEN,
    ) -> Self:
        """A client that differs in this, and shares the connections unless it has another `http_client`.

        `api_key` and `token` replace one another; None sends none. `default_headers` are
        added to those that there are.

        >>> client.with_options(timeout=2, max_retries=0).api_keys.get(key_id)
        """
        if not isinstance(api_key, NotGiven) and not isinstance(token, NotGiven):
            raise x.invalid("give either api_key= or token=, not both: one of them is sent")
        if not isinstance(default_headers, NotGiven):
            x.check_headers("default_headers", default_headers)
        t = self._transport
        credential = token if isinstance(api_key, NotGiven) else api_key
        httpx_timeout, total = (t.timeout, t.total) if isinstance(timeout, NotGiven) else x.timeout_of(timeout)
        made = object.__new__(type(self))
        made._transport = replace(
            t,
            connections=t.connections if isinstance(http_client, NotGiven) else SyncConnections(http_client),
            base=t.base if isinstance(base_url, NotGiven) else x.base_of(base_url),
            token=t.token if isinstance(credential, NotGiven) else _kept(credential),
            workspace_id=t.workspace_id if isinstance(workspace_id, NotGiven) else _workspace(workspace_id),
            headers=t.headers if isinstance(default_headers, NotGiven) else x.merged(t.headers, default_headers),
            timeout=httpx_timeout,
            total=total,
            max_retries=t.max_retries if isinstance(max_retries, NotGiven) else _retries(max_retries),
        )
        return made

    def close(self) -> None:
        """Closes the connections, also of the clients that `with_options` made of this one."""
        self._transport.connections.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.base_url}>"


class KeypinWithRawResponse:
    """`client.with_raw_response`."""

    def __init__(self, client: Keypin) -> None:
        self._client = client

    @property
    def api_keys(self) -> APIKeysWithRawResponse:
        return self._client.api_keys.with_raw_response

    @property
    def workspaces(self) -> WorkspacesWithRawResponse:
        return self._client.workspaces.with_raw_response

    @property
    def members(self) -> MembersWithRawResponse:
        return self._client.members.with_raw_response

    @property
    def auth(self) -> AuthWithRawResponse:
        return self._client.auth.with_raw_response

    @property
    def usage(self) -> UsageWithRawResponse:
        return self._client.usage.with_raw_response

    @property
    def health(self) -> HealthWithRawResponse:
        return self._client.health.with_raw_response


def _kept(token: Token | None) -> Token | None:
    """The token, checked, in a form that is not printed."""
    return x.token_of(token) if isinstance(token, (str, Secret)) else token


def _workspace(workspace_id: object) -> str | None:
    if workspace_id is None or (isinstance(workspace_id, str) and is_uuid(workspace_id)):
        return workspace_id
    raise x.invalid("workspace_id must be a UUID")


def _retries(max_retries: object) -> int:
    if not isinstance(max_retries, int) or max_retries < 0:
        raise x.invalid("max_retries must be a whole number, 0 or more")
    return max_retries
