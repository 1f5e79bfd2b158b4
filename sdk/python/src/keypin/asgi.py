"""Protects Starlette and FastAPI apps, and any other that speaks ASGI.

>>> guard = Guard("http://127.0.0.1:8081")
>>> app.add_middleware(ProtectMiddleware, guard=guard, exclude=["/health"])
>>>
>>> @app.get("/workflows", dependencies=[Depends(require_scopes("workflows:read"))])
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from ._errors import KeypinError
from ._guard.guard import Guard
from ._guard.http import Excluded, Refusal, cannot_check, lacks_scope, no_key, presented, refusal_of
from ._models import Verification, VerifiedApiKey

__all__ = ["Guard", "ProtectMiddleware", "Refusal", "principal", "require_scopes"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PRINCIPAL = "keypin.principal"


def peer(scope: Scope) -> str | None:
    """The address at the other end of the connection, which behind a proxy is the proxy."""
    client = scope.get("client")
    return client[0] if client else None


class ProtectMiddleware:
    """Lets requests with a valid key through, and answers the others: 401, 403, 429, and
    503 when the key cannot be checked. The key is read from Authorization: Bearer, or from
    X-API-Key; in the app `principal(request)` is the key.
    """

    def __init__(
        self,
        app: App,
        *,
        guard: Guard,
        scopes: Collection[str] = (),
        exclude: Collection[str] = (),
        client_ip: Callable[[Scope], str | None] = peer,
        on_refusal: Callable[[Scope, Receive, Send, Refusal], Awaitable[None]] | None = None,
    ) -> None:
        """guard: checks the keys. It is started with the app, and yours to close.

        scopes: what every request needs. `require_scopes` asks for more on single routes.
        exclude: paths that need no key, such as /health; with a star at the end all that
            begin so, such as /static/*.
        client_ip: says where a request comes from, for keys with allowed_ips. The default is
            the connection's other end, which behind a proxy is the proxy.
        on_refusal: answers requests that are refused, in place of the service's error object.
        """
        if isinstance(scopes, str):
            raise TypeError("scopes must be a list of strings, not one string")
        self._app = app
        self._guard = guard
        self._scopes = tuple(scopes)
        self._excluded = Excluded(exclude)
        self._client_ip = client_ip
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._guard.start()
        if scope["type"] not in {"http", "websocket"} or scope["path"] in self._excluded:
            await self._app(scope, receive, send)
            return
        answer = await self._check(scope)
        if isinstance(answer, Refusal):
            await self._refuse(scope, receive, send, answer)
            return
        scope[_PRINCIPAL] = answer
        answering = False

        async def watched(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except _LacksScope as fault:
            if answering:
                raise
            await self._refuse(scope, receive, send, fault.refusal)

    async def _check(self, scope: Scope) -> Verification | Refusal:
        found: dict[bytes, list[str]] = {b"authorization": [], b"x-api-key": [], b"user-agent": []}
        for name, value in scope["headers"]:
            if name in found:
                found[name].append(value.decode("latin-1"))
        key, given = presented(found[b"authorization"], found[b"x-api-key"])
        if not key:
            return no_key(given)
        agent = found[b"user-agent"]
        try:
            answer = await self._guard.averify(
                key, scopes=self._scopes, client_ip=self._client_ip(scope), user_agent=agent[0] if agent else None
            )
        except KeypinError as fault:
            return cannot_check(fault)
        return answer if answer.valid else refusal_of(answer, self._scopes, time.time())

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
        if self._on_refusal is not None:
            await self._on_refusal(scope, receive, send, refusal)
            return
        kind = "http"
        if scope["type"] == "websocket":
            if "websocket.http.response" not in scope.get("extensions", {}):
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
                return
            kind = "websocket.http"
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in refusal.headers]
        headers.append((b"content-length", str(len(refusal.body)).encode()))
        await send({"type": f"{kind}.response.start", "status": refusal.status, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": refusal.body})


def principal(request: Any) -> VerifiedApiKey:
    """The key that ProtectMiddleware let the request in with.

    request: a Starlette or FastAPI request or WebSocket, or an ASGI scope.
    """
    return _answer(request).api_key or _not_protected()


def require_scopes(*scopes: str) -> Callable[..., Awaitable[VerifiedApiKey]]:
    """A FastAPI dependency: the key of the request, which must hold all of these scopes.

    >>> @app.get("/workflows")
    >>> async def workflows(key: Annotated[VerifiedApiKey, Depends(require_scopes("workflows:read"))]):

    It looks at the key that ProtectMiddleware let in, so for one with a limit an admission
    is spent even where a scope is missing.
    """
    from starlette.requests import HTTPConnection

    async def require(connection: HTTPConnection) -> VerifiedApiKey:
        answer = _answer(connection)
        key = answer.api_key or _not_protected()
        if not all(scope in key.scopes for scope in scopes):
            raise _LacksScope(lacks_scope(answer, scopes))
        return key

    # FastAPI reads these, and would look for the names among this module's.
    require.__annotations__ = {"connection": HTTPConnection, "return": VerifiedApiKey}
    return require


class _LacksScope(Exception):
    """Carries a refusal from a route to the middleware, which answers it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__("the key lacks a scope, which keypin.asgi.ProtectMiddleware answers")
        self.refusal = refusal


def _answer(request: Any) -> Verification:
    scope = request if isinstance(request, MutableMapping) and "type" in request else request.scope
    answer: Verification | None = scope.get(_PRINCIPAL)
    return answer or _not_protected()


def _not_protected() -> Any:
    raise RuntimeError("the request has no key: add keypin.asgi.ProtectMiddleware, and do not exclude this path")
