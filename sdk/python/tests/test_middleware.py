"""The middlewares in FastAPI, Starlette, Flask, Django and bare apps, with the real binary behind the Guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

import django
import httpx
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path
from fastapi import Depends, FastAPI, Request, WebSocket
from flask import Flask, request

from keypin import Guard, Keypin, asgi, wsgi
from keypin.types import CreatedApiKey, VerifiedApiKey
from service import Service

NOT_A_KEY = "op_live_0000000000000000000000000009BlC0"


@pytest.fixture(scope="module")
def guard(service: Service) -> Iterator[Guard]:
    with Guard(service.data_url) as made:
        yield made


@pytest.fixture(scope="module")
def key(client: Keypin) -> CreatedApiKey:
    return client.api_keys.create(name="caller", scopes=["workflows:read"])


def fastapi_app(guard: Guard, **options: Any) -> Callable[..., httpx.Response]:
    app = FastAPI()
    app.add_middleware(asgi.ProtectMiddleware, guard=guard, exclude=["/health"], **options)

    @app.get("/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/whose")
    async def whose(request: Request) -> dict[str, str]:
        return {"name": asgi.principal(request).name}

    @app.get("/workflows")
    async def workflows(
        key: Annotated[VerifiedApiKey, Depends(asgi.require_scopes("workflows:read"))],
    ) -> dict[str, str]:
        return {"name": key.name}

    @app.post("/workflows", dependencies=[Depends(asgi.require_scopes("workflows:read", "workflows:write"))])
    def create() -> dict[str, bool]:
        return {"created": True}

    return asgi_sender(app)


def asgi_sender(app: Any) -> Callable[..., httpx.Response]:
    def send(method: str, path: str, **more: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=app, client=("192.0.2.9", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                return await client.request(method, path, **more)

        return asyncio.run(run())

    return send


def wsgi_sender(app: Callable[..., Iterable[bytes]]) -> Callable[..., httpx.Response]:
    def send(method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.WSGITransport(app=app, remote_addr="192.0.2.9")
        with httpx.Client(transport=transport, base_url="http://app") as client:
            return client.request(method, path, **more)

    return send


def flask_app(guard: Guard, **options: Any) -> Callable[..., httpx.Response]:
    app = Flask(__name__)
    protected = wsgi.ProtectMiddleware(app.wsgi_app, guard=guard, exclude=["/health"], **options)

    @app.get("/health")
    def health() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/whose")
    def whose() -> dict[str, str]:
        return {"name": wsgi.principal(request).name}

    @app.get("/workflows")
    @wsgi.require_scopes("workflows:read")
    def workflows() -> dict[str, str]:
        return {"name": wsgi.principal(request.environ).name}

    @app.post("/workflows")
    @wsgi.require_scopes("workflows:read", "workflows:write")
    def create() -> dict[str, bool]:
        return {"created": True}

    @app.get("/later")
    @wsgi.require_scopes("workflows:read")
    async def later() -> dict[str, str]:
        return {"name": wsgi.principal(request).name}

    @app.post("/later")
    @wsgi.require_scopes("workflows:write")
    async def create_later() -> dict[str, bool]:
        return {"created": True}

    return wsgi_sender(protected)


def whose(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"name": wsgi.principal(request).name})


@wsgi.require_scopes("workflows:read")
def read(request: HttpRequest) -> JsonResponse:
    return whose(request)


@wsgi.require_scopes("workflows:read", "workflows:write")
def create(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"created": True})


def workflows(request: HttpRequest) -> JsonResponse:
    return read(request) if request.method == "GET" else create(request)


@wsgi.require_scopes("workflows:read")
async def read_later(request: HttpRequest) -> JsonResponse:
    return whose(request)


@wsgi.require_scopes("workflows:write")
async def create_later(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"created": True})


async def later(request: HttpRequest) -> JsonResponse:
    return await (read_later(request) if request.method == "GET" else create_later(request))


def asgi_whose(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"name": asgi.principal(request).name})


async def asgi_later(request: HttpRequest) -> JsonResponse:
    return asgi_whose(request)


urlpatterns = [
    path("asgi/whose", asgi_whose),
    path("asgi/later", asgi_later),
    path("health", lambda request: JsonResponse({"ok": True})),
    path("whose", whose),
    path("workflows", workflows),
    path("later", later),
]


def configure_django() -> None:
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", MIDDLEWARE=[])
        django.setup()


def django_app(guard: Guard, **options: Any) -> Callable[..., httpx.Response]:
    configure_django()
    return wsgi_sender(wsgi.ProtectMiddleware(WSGIHandler(), guard=guard, exclude=["/health"], **options))


everywhere = pytest.mark.parametrize("make", [fastapi_app, flask_app, django_app])
Make = Callable[..., Callable[..., httpx.Response]]


def bearer(key: CreatedApiKey | str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key if isinstance(key, str) else key.api_key.reveal()}"}


@everywhere
def test_requests_are_let_in_or_answered_as_the_service_would(make: Make, guard: Guard, key: CreatedApiKey) -> None:
    send = make(guard)
    assert send("GET", "/health").json() == {"ok": True}
    assert send("GET", "/whose", headers=bearer(key)).json() == {"name": "caller"}
    assert send("GET", "/workflows", headers={"X-API-Key": key.api_key.reveal()}).json() == {"name": "caller"}
    for headers, status, code, challenge in (
        ({}, 401, "unauthorized", 'Bearer realm="keypin"'),
        (bearer(NOT_A_KEY), 401, "unauthorized", 'Bearer realm="keypin", error="invalid_token"'),
        ({**bearer(key), "X-API-Key": NOT_A_KEY}, 401, "unauthorized", 'Bearer realm="keypin", error="invalid_token"'),
    ):
        refused = send("GET", "/whose", headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        assert refused.headers["WWW-Authenticate"] == challenge
        assert refused.headers["Content-Type"] == "application/json"
        assert NOT_A_KEY not in refused.text
    lacking = send("POST", "/workflows", headers=bearer(key))
    assert (lacking.status_code, lacking.json()["error"]["code"]) == (403, "insufficient_scope")
    assert lacking.headers["WWW-Authenticate"].endswith('scope="workflows:read workflows:write"')
    assert send("GET", "/no-such-page").status_code == 401, "who has no key learns nothing of what there is"


@pytest.mark.parametrize("make", [flask_app, django_app])
def test_an_asynchronous_view_can_need_scopes(make: Make, guard: Guard, key: CreatedApiKey) -> None:
    send = make(guard)
    assert send("GET", "/later", headers=bearer(key)).json() == {"name": "caller"}
    lacking = send("POST", "/later", headers=bearer(key))
    assert (lacking.status_code, lacking.json()["error"]["code"]) == (403, "insufficient_scope")


@everywhere
def test_every_request_can_need_scopes(make: Make, guard: Guard, key: CreatedApiKey) -> None:
    send = make(guard, scopes=["voices:read"])
    refused = send("GET", "/whose", headers=bearer(key))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope")
    with pytest.raises(TypeError):
        make(guard, scopes="voices:read")("GET", "/whose")


@everywhere
def test_a_limit_and_an_address_are_held_to(make: Make, guard: Guard, client: Keypin) -> None:
    send = make(guard)
    limited = client.api_keys.create(name="limited", rate_limit_per_min=2)
    statuses = [send("GET", "/whose", headers=bearer(limited)).status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    over = send("GET", "/whose", headers=bearer(limited))
    assert over.json()["error"]["code"] == "rate_limited"
    assert 1 <= int(over.headers["Retry-After"]) <= 60
    here = client.api_keys.create(name="here", allowed_ips=["192.0.2.9"])
    assert send("GET", "/whose", headers=bearer(here)).status_code == 200
    elsewhere = make(guard, client_ip=lambda scope: "198.51.100.1")("GET", "/whose", headers=bearer(here))
    assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (403, "forbidden")


@everywhere
def test_who_cannot_ask_refuses(make: Make, key: CreatedApiKey) -> None:
    with Guard("http://127.0.0.1:1") as alone:
        refused = make(alone)("GET", "/whose", headers=bearer(key))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"] == "1"
    assert "127.0.0.1" not in refused.text


def test_a_refusal_can_be_answered_by_the_app(guard: Guard, key: CreatedApiKey) -> None:
    async def tea(scope: Any, receive: Any, send: Any, refusal: asgi.Refusal) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": refusal.code.encode()})

    def teapot(environ: Any, start_response: Any, refusal: wsgi.Refusal) -> Iterable[bytes]:
        start_response("418 I'm a teapot", [])
        return [refusal.code.encode()]

    for make, answers in ((fastapi_app, tea), (flask_app, teapot), (django_app, teapot)):
        send = make(guard, on_refusal=answers)
        assert send("GET", "/whose").status_code == 418
        lacking = send("POST", "/workflows", headers=bearer(key))
        assert (lacking.status_code, lacking.text) == (418, "insufficient_scope")


class Teapot:
    """An answer whose start is written, and that must be closed."""

    closed = 0

    def __init__(self, environ: Any, start_response: Any, refusal: wsgi.Refusal) -> None:
        self.write = start_response(
            "418 I'm a teapot", [("Content-Type", "text/tea"), ("X-Needed", refusal.needed[-1])]
        )

    def __iter__(self) -> Iterator[bytes]:
        self.write(b"short ")
        yield b"and "
        yield b"stout"

    def close(self) -> None:
        Teapot.closed += 1


@pytest.mark.parametrize("make", [flask_app, django_app])
def test_the_apps_answer_to_a_missing_scope_is_taken_whole(make: Make, guard: Guard, key: CreatedApiKey) -> None:
    before = Teapot.closed
    lacking = make(guard, on_refusal=Teapot)("POST", "/workflows", headers=bearer(key))
    assert (lacking.status_code, lacking.text) == (418, "short and stout")
    assert (lacking.headers["Content-Type"], lacking.headers["X-Needed"]) == ("text/tea", "workflows:write")
    assert Teapot.closed == before + 1


def test_a_django_app_is_protected_behind_asgi_too(guard: Guard, key: CreatedApiKey) -> None:
    configure_django()
    send = asgi_sender(asgi.ProtectMiddleware(ASGIHandler(), guard=guard, exclude=["/health"]))
    assert send("GET", "/health").json() == {"ok": True}
    assert send("GET", "/asgi/whose", headers=bearer(key)).json() == {"name": "caller"}
    assert send("GET", "/asgi/later", headers=bearer(key)).json() == {"name": "caller"}
    refused = send("GET", "/asgi/whose", headers=bearer(NOT_A_KEY))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
    needing = asgi_sender(asgi.ProtectMiddleware(ASGIHandler(), guard=guard, scopes=["workflows:write"]))
    lacking = needing("GET", "/asgi/whose", headers=bearer(key))
    assert (lacking.status_code, lacking.json()["error"]["code"]) == (403, "insufficient_scope")


def test_a_route_that_is_not_protected_is_not_let_pass_as_one_that_is() -> None:
    with pytest.raises(RuntimeError, match="ProtectMiddleware"):
        asgi.principal({"type": "http"})
    with pytest.raises(RuntimeError, match="ProtectMiddleware"):
        wsgi.principal({})


def test_a_websocket_needs_a_key_too(guard: Guard, key: CreatedApiKey) -> None:
    app = FastAPI()
    app.add_middleware(asgi.ProtectMiddleware, guard=guard)

    @app.websocket("/ws")
    async def greet(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(asgi.principal(socket).name)
        await socket.close()

    async def connect(headers: list[tuple[bytes, bytes]], **extensions: Any) -> list[Any]:
        scope = {
            "type": "websocket",
            "path": "/ws",
            "raw_path": b"/ws",
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
            "extensions": extensions,
            "client": None,
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return sent

    let_in = asyncio.run(connect([(b"x-api-key", key.api_key.reveal().encode())]))
    assert [m["type"] for m in let_in] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert let_in[1]["text"] == "caller"
    [closed] = asyncio.run(connect([]))
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    begin, body = asyncio.run(connect([], **{"websocket.http.response": {}}))
    assert (begin["type"], begin["status"]) == ("websocket.http.response.start", 401)
    assert b"unauthorized" in body["body"]


def test_an_error_of_the_app_is_the_apps(guard: Guard, key: CreatedApiKey) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    scope = {"type": "http", "path": "/", "headers": [(b"x-api-key", key.api_key.reveal().encode())], "client": None}
    with pytest.raises(ZeroDivisionError):
        asyncio.run(asgi.ProtectMiddleware(broken, guard=guard)(scope, None, None))  # type: ignore[arg-type]  # it sends nothing
