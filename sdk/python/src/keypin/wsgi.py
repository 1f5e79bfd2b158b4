"""Protects Flask and Django apps, and any other that speaks WSGI.

>>> guard = Guard("http://127.0.0.1:8081")
>>> app.wsgi_app = ProtectMiddleware(app.wsgi_app, guard=guard, exclude=["/health"])
>>>
>>> @app.get("/workflows")
>>> @require_scopes("workflows:read")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, cast

from ._errors import KeypinError
from ._guard.guard import Guard
from ._guard.http import Excluded, Refusal, cannot_check, lacks_scope, no_key, presented, refusal_of
from ._models import Verification, VerifiedApiKey

__all__ = ["Guard", "ProtectMiddleware", "Refusal", "principal", "require_scopes"]

P = ParamSpec("P")
R = TypeVar("R")

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]

OnRefusal = Callable[[Environ, Any, Refusal], Iterable[bytes]]

_PRINCIPAL = "keypin.principal"
_ON_REFUSAL = "keypin.on_refusal"
"""How the middleware answers, for require_scopes to answer the same."""


def peer(environ: Environ) -> str | None:
    """The address at the other end of the connection, which behind a proxy is the proxy."""
    return environ.get("REMOTE_ADDR") or None


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
        client_ip: Callable[[Environ], str | None] = peer,
        on_refusal: OnRefusal | None = None,
    ) -> None:
        """guard: checks the keys; yours to close.

        scopes: what every request needs. `require_scopes` asks for more on single views.
        exclude: paths that need no key, such as /health; with a star at the end all that
            begin so, such as /static/*.
        client_ip: says where a request comes from, for keys with allowed_ips. The default is
            the connection's other end, which behind a proxy is the proxy.
        on_refusal: answers requests that are refused, by `require_scopes` too, in place of the
            service's error object.
        """
        if isinstance(scopes, str):
            raise TypeError("scopes must be a list of strings, not one string")
        self._app = app
        self._guard = guard
        self._scopes = tuple(scopes)
        self._excluded = Excluded(exclude)
        self._client_ip = client_ip
        self._on_refusal = on_refusal or _refuse

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") in self._excluded:
            return self._app(environ, start_response)
        answer = self._check(environ)
        if isinstance(answer, Refusal):
            return self._on_refusal(environ, start_response, answer)
        environ[_PRINCIPAL], environ[_ON_REFUSAL] = answer, self._on_refusal
        return self._app(environ, start_response)

    def _check(self, environ: Environ) -> Verification | Refusal:
        # A server joins a header that comes twice by commas, and no key has one.
        headers = [[environ[name]] if name in environ else [] for name in ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY")]
        key, given = presented(*headers)
        if not key:
            return no_key(given)
        try:
            answer = self._guard.verify(
                key,
                scopes=self._scopes,
                client_ip=self._client_ip(environ),
                user_agent=environ.get("HTTP_USER_AGENT"),
            )
        except KeypinError as fault:
            return cannot_check(fault)
        return answer if answer.valid else refusal_of(answer, self._scopes, time.time())


def principal(request: Any) -> VerifiedApiKey:
    """The key that ProtectMiddleware let the request in with.

    request: a Flask or Django request, or a WSGI environment.
    """
    return _answer(request).api_key or _not_protected()


def require_scopes(*scopes: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a Flask or Django view, whose request's key must hold all of these scopes.
    The view may be an `async def`.

    It stands below Flask's `@app.get`. It looks at the key that ProtectMiddleware let in, so
    for one with a limit an admission is spent even where a scope is missing.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            refused = _lacking(scopes, args)
            return view(*args, **kwargs) if refused is None else cast(R, refused)

        @wraps(view)
        async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            refused = _lacking(scopes, args)
            return await cast(Any, view)(*args, **kwargs) if refused is None else refused

        # The framework looks at the kind of function to know whether to await it.
        return cast("Callable[P, R]", awaited) if iscoroutinefunction(view) else wrapped

    return decorate


def _lacking(scopes: tuple[str, ...], args: tuple[object, ...]) -> Any:
    """The framework's response to a request whose key lacks a scope, else None."""
    django = bool(args) and hasattr(args[0], "META")
    request: Any = args[0] if django else _flask_request()
    answer = _answer(request)
    key = answer.api_key or _not_protected()
    if all(scope in key.scopes for scope in scopes):
        return None
    refused = _collected(request.environ, lacks_scope(answer, scopes))
    return _django_response(refused) if django else _flask_response(refused)


def _refuse(environ: Environ, start_response: Any, refusal: Refusal) -> Iterable[bytes]:
    headers = [*refusal.headers, ("Content-Length", str(len(refusal.body)))]
    start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", headers)
    return [refusal.body]


@dataclass
class _Collected:
    """An answer as a whole, of which a framework makes its own."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def _collected(environ: Environ, refusal: Refusal) -> _Collected:
    found = _Collected()

    def write(part: bytes) -> None:
        found.body += part

    def start_response(status: str, headers: list[tuple[str, str]], fault: Any = None) -> Callable[[bytes], None]:
        found.status, found.headers = status, headers
        return write

    parts = environ[_ON_REFUSAL](environ, start_response, refusal)
    try:
        for part in parts:
            write(part)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return found


def _flask_request() -> Any:
    from flask import request

    return request


def _flask_response(refused: _Collected) -> Any:
    from flask import Response

    return Response(refused.body, refused.status, refused.headers)


def _django_response(refused: _Collected) -> Any:
    from django.http import HttpResponse

    status, _, reason = refused.status.partition(" ")
    return HttpResponse(refused.body, status=int(status), reason=reason, headers=dict(refused.headers))


def _answer(request: Any) -> Verification:
    environ = request if isinstance(request, dict) else getattr(request, "environ", None)
    answer: Verification | None = environ.get(_PRINCIPAL) if environ is not None else None
    return answer or _not_protected()


def _not_protected() -> Any:
    raise RuntimeError("the request has no key: add keypin.wsgi.ProtectMiddleware, and do not exclude this path")
