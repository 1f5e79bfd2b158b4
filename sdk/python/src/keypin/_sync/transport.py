# Written by scripts/generate_sync.py; not edited by hand.
"""Sends calls, as often as it takes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from .. import _exchange as x
from .._call import Call
from .._errors import KeypinError
from .._gate import SyncGate, sync_within
from .._not_given import NotGiven
from .._response import APIResponse
from .._retry import next_wait
from .._secret import Secret
from .._world import World

T = TypeVar("T")

Token = str | Secret | Callable[[], str | Secret]

log = logging.getLogger("keypin")


class SyncConnections:
    """The httpx client that is sent through: the caller's, or one for each process.

    Connections are not shared with a child that was forked: both would read from them.
    """

    def __init__(self, given: httpx.Client | None) -> None:
        self._given = given
        self._used_by: int | None = None
        self._own: dict[int, tuple[httpx.Client, SyncGate]] = {}
        self._closed = False

    def get(self) -> tuple[httpx.Client, SyncGate | None]:
        process = os.getpid()
        if self._given is not None:
            if self._used_by is None:
                self._used_by = process
            if self._used_by != process:
                raise x.invalid(
                    "the httpx client that was passed as http_client= was used before this process was forked, and its "
                    "connections belong to the parent; make a client in this process, with_options(http_client=…)"
                )
            return self._given, None
        if self._closed:
            raise x.invalid("this client was closed")
        own = self._own.get(process)
        if own is None:
            made = httpx.Client(limits=x.LIMITS, follow_redirects=False)
            # Of two that come here at once both get the same one.
            own = self._own.setdefault(process, (made, SyncGate()))
        return own

    def close(self) -> None:
        """Closes the connections that this process made. The caller's client is the caller's to close."""
        self._closed = True
        own = self._own.get(os.getpid())
        if own is not None:
            own[0].close()


@dataclass(frozen=True)
class SyncTransport:
    """Everything that a client needs to send calls."""

    connections: SyncConnections
    base: str
    token: Token | None
    workspace_id: str | None
    headers: dict[str, str] = field(repr=False)  # credentials may be among them
    timeout: httpx.Timeout
    total: float | None
    """Seconds for one request as a whole, its wait at the gate included; None = not bounded."""

    max_retries: int
    world: World

    def send(self, call: Call[T]) -> APIResponse[T]:
        """Sends the call until it is answered, or must not be sent again."""
        requests = 0
        while True:
            requests += 1
            failure: KeypinError
            try:
                response = self._once(call)
            except KeypinError as fault:
                failure = fault
            else:
                log.debug("%s: %d, request %d", call.operation, response.status_code, requests)
                return APIResponse(response, requests, call, x.finisher(call))
            failure.operation, failure.attempts = call.operation, requests
            wait = next_wait(call, failure, requests, self.max_retries, self.world)
            if wait is None:
                raise failure
            log.info("%s; sent again in %.2f s", failure, wait)
            self.world.sleep(wait)

    def _once(self, call: Call[Any]) -> httpx.Response:
        """Sends the call once and returns its answer, a 2xx."""
        http, gate = self.connections.get()
        if isinstance(call.timeout, NotGiven):
            timeout, total = self.timeout, self.total
        else:
            timeout, total = x.timeout_of(call.timeout)
        x.check_headers("extra_headers", call.extra_headers)
        token = None if call.public else self._token()
        # What has the token as it is has no name here: some print the variables of a traceback.
        request = self._request(http if gate is None else None, call, token, timeout)
        secrets = x.secrets_of(call, token, request.headers)
        deadline = None if total is None else self.world.steady() + total
        try:
            if gate is not None:
                gate.enter(timeout.pool)
            try:
                left = None if deadline is None else deadline - self.world.steady()
                x.connect_within(request, left)
                with sync_within(left):
                    response = self._exchange(http, request, token is not None, deadline)
            finally:
                if gate is not None:
                    gate.leave()
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError, x.TooLarge) as fault:
            # Not chained: what it refers to holds the request with its token.
            raise x.no_answer(fault, self.base, secrets) from None
        if not response.is_success:
            raise x.refusal(response, call, self.world, secrets, token is not None)
        return response

    def _request(
        self, given: httpx.Client | None, call: Call[Any], token: Secret | None, timeout: httpx.Timeout
    ) -> httpx.Request:
        headers = {**self.headers, **call.headers}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.takes_workspace and self.workspace_id is not None:
            headers.setdefault("X-Workspace-Id", self.workspace_id)
        if token is not None:
            headers["Authorization"] = "Bearer " + token.reveal()
        if call.extra_headers:
            headers = x.merged(headers, call.extra_headers)
        url, content = self.base + call.path, None if call.body is None else call.body.content
        if given is None:
            request = httpx.Request(
                call.method, url, headers=headers, content=content, extensions={"timeout": timeout.as_dict()}
            )
        else:  # it adds headers, cookies and parameters of its own
            request = given.build_request(call.method, url, headers=headers, content=content, timeout=timeout)
        if call.private_path is not None:
            request.url = x.private(request.url, self.base + call.private_path)
        return request

    def _exchange(
        self, http: httpx.Client, request: httpx.Request, with_token: bool, deadline: float | None
    ) -> httpx.Response:
        response = http.send(
            request, stream=True, follow_redirects=False, auth=None if with_token else httpx.USE_CLIENT_DEFAULT
        )
        try:
            response.stream = x.Bounded(response.stream, self.world, deadline)
            response.read()
        except BaseException:
            response.close()
            raise
        return response

    def _token(self) -> Secret | None:
        """The token for this request. A function is asked before each, so that a session's can be a fresh one."""
        if self.token is None or isinstance(self.token, Secret):
            return self.token
        if isinstance(self.token, str):
            return Secret(self.token)
        made = self.token()
        return x.token_of(made)
