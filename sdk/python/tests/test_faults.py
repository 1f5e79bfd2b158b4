"""Networks and services that misbehave, on real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx
import pytest

from conftest import Still
from keypin import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    AsyncKeypin,
    Keypin,
    RateLimitError,
)
from keypin._gate import AT_ONCE, AsyncGate, SyncGate
from service import Relay, Scripted, Service, answering
from test_errors import problem
from test_retries import META
from test_secret import CREATED

OK = answering(200, json.dumps({"data": CREATED, "meta": META}))
BUSY = answering(429, json.dumps(problem("rate_limited")), "Retry-After: 3")
ID = CREATED["id"]


def reset(s: socket.socket) -> None:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def hang_up(s: socket.socket) -> None:
    s.close()


def half(s: socket.socket) -> None:
    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")


def garbage(s: socket.socket) -> None:
    s.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")


def silence(s: socket.socket) -> None:
    s.recv(1)  # until the client gives up


def drip(s: socket.socket) -> None:
    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    with suppress(OSError):
        while True:
            s.sendall(b" ")
            time.sleep(0.02)


def endless(s: socket.socket) -> None:
    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
    with suppress(OSError):
        while True:
            s.sendall(b" " * (1 << 20))


def ask_sync(base: str, made: Callable[[Any], Any], **options: Any) -> Any:
    with Keypin(base_url=base, token="t", **options) as client:
        return made(client)


def ask_async(base: str, made: Callable[[Any], Any], **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncKeypin(base_url=base, token="t", **options) as client:
            return await made(client)

    return asyncio.run(run())


both = pytest.mark.parametrize("ask", [ask_sync, ask_async])


@both
@pytest.mark.parametrize("fault", [reset, hang_up, half, garbage])
def test_a_call_survives_a_connection_that_breaks(
    ask: Callable[..., Any], fault: Callable[[socket.socket], None]
) -> None:
    still = Still()
    server = Scripted(fault, fault, OK)
    with server.listening() as base:
        answer = ask(base, lambda c: c.api_keys.with_raw_response.get(ID), _world=still.world())
    assert answer.parse().id == ID
    assert answer.attempts == len(server.requests) == 3
    assert len(still.slept) == 2


@both
@pytest.mark.parametrize("fault", [reset, hang_up, half, garbage])
def test_a_connection_that_breaks_for_good_is_an_error(
    ask: Callable[..., Any], fault: Callable[[socket.socket], None]
) -> None:
    with Scripted(fault).listening() as base, pytest.raises(APIConnectionError, match="no answer"):
        ask(base, lambda c: c.api_keys.get(ID), max_retries=0)


@both
def test_retry_after_is_waited_for(ask: Callable[..., Any]) -> None:
    still = Still()
    with Scripted(BUSY, BUSY, OK).listening() as base:
        ask(base, lambda c: c.api_keys.get(ID), _world=still.world())
    assert all(3 <= wait <= 3.25 for wait in still.slept)
    with Scripted(BUSY).listening() as base, pytest.raises(RateLimitError) as raised:
        ask(base, lambda c: c.api_keys.get(ID), max_retries=0)
    assert raised.value.retry_after == 3


@both
@pytest.mark.parametrize("fault", [silence, drip])
def test_an_answer_that_does_not_come_in_time_is_a_timeout(
    ask: Callable[..., Any], fault: Callable[[socket.socket], None]
) -> None:
    with Scripted(fault).listening() as base:
        began = time.monotonic()
        with pytest.raises(APITimeoutError):
            ask(base, lambda c: c.api_keys.get(ID), max_retries=0, timeout=0.3)
        assert 0.2 < time.monotonic() - began < 3


def drip_head(s: socket.socket) -> None:
    s.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    with suppress(OSError):
        while True:
            s.sendall(b"x")
            time.sleep(0.02)


def test_an_asynchronous_request_is_bounded_as_a_whole() -> None:
    """Each byte of the head comes in time, and the head never ends."""
    with Scripted(drip_head).listening() as base:
        began = time.monotonic()
        with pytest.raises(APITimeoutError):
            ask_async(base, lambda c: c.api_keys.get(ID), max_retries=0, timeout=0.3)
        assert time.monotonic() - began < 3


def test_a_request_waits_for_its_turn_within_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still but for the wait, and what is left is less than a second."""
    still = Still()

    async def enter(self: AsyncGate, within: float | None) -> None:
        still.at += 29.5
        await entered(self, within)

    entered = AsyncGate.enter
    monkeypatch.setattr(AsyncGate, "enter", enter)
    with Scripted(silence).listening() as base:
        began = time.monotonic()
        with pytest.raises(APITimeoutError):
            ask_async(base, lambda c: c.api_keys.get(ID), max_retries=0, timeout=30, _world=still.world())
        assert time.monotonic() - began < 10


@contextmanager
def full() -> Iterator[str]:
    """The base URL of a listener that accepts no connection, nor refuses one."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@both
@pytest.mark.parametrize(("waits", "told"), [(29.5, "was made in time"), (30, "became free in time")])
def test_who_waits_and_then_gets_no_connection_has_sent_nothing(
    ask: Callable[..., Any], waits: float, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock stands still but for the wait, and what is left is less than the time to connect."""
    still = Still()

    async def enter(self: AsyncGate, within: float | None) -> None:
        still.at += waits

    def sync_enter(self: SyncGate, within: float | None) -> None:
        still.at += waits

    monkeypatch.setattr(AsyncGate, "enter", enter)
    monkeypatch.setattr(SyncGate, "enter", sync_enter)
    with full() as base, pytest.raises(APITimeoutError, match=told) as raised:
        ask(base, lambda c: c.api_keys.get(ID), max_retries=0, timeout=30, _world=still.world())
    assert raised.value.unsent


def test_who_does_not_get_a_turn_has_sent_nothing(service: Service) -> None:
    async def run() -> None:
        async with AsyncKeypin(base_url=service.base_url, max_retries=0, timeout=0.5) as client:
            _, gate = client._transport.connections.get()
            assert gate is not None
            for _ in range(AT_ONCE):
                await gate.enter(None)
            with pytest.raises(APITimeoutError, match="became free in time") as raised:
                await client.health.live()
            assert raised.value.unsent
            gate.leave()
            assert (await client.health.live()).status == "ok"

    asyncio.run(run())


@both
def test_a_timeout_is_tried_again(ask: Callable[..., Any]) -> None:
    still = Still()
    server = Scripted(silence, OK)
    with server.listening() as base:
        assert ask(base, lambda c: c.api_keys.get(ID, timeout=0.2), _world=still.world()).id == ID
    assert len(server.requests) == 2


@both
def test_an_answer_without_end_is_given_up(ask: Callable[..., Any]) -> None:
    server = Scripted(endless, OK)
    with server.listening() as base, pytest.raises(APIConnectionError, match="larger than 32 MiB"):
        ask(base, lambda c: c.api_keys.get(ID))
    assert len(server.requests) == 1


@both
def test_an_answer_that_is_not_json_is_an_error(ask: Callable[..., Any]) -> None:
    with (
        Scripted(answering(200, "<html>welcome</html>")).listening() as base,
        pytest.raises(APIResponseValidationError),
    ):
        ask(base, lambda c: c.api_keys.get(ID))


@both
@pytest.mark.parametrize("what", ["create", "rotate"])
def test_a_lost_answer_never_makes_a_second_key(
    ask: Callable[..., Any], what: str, service: Service, client: Keypin
) -> None:
    """The service works, and its answer is thrown away on the way; the repeat gets it again."""
    old = client.api_keys.create(name=f"{what} by {ask.__name__}")
    before = client.api_keys.list(status="all").total
    relay = Relay(service.base_url.removeprefix("http://"), drop_answers=2)
    with relay.listening() as base:
        token = service.token()

        def made(c: Any) -> Any:
            raw = c.with_options(token=token).api_keys.with_raw_response
            return raw.create(name="lost") if what == "create" else raw.rotate(old.id)

        answer = ask(base, made, _world=Still().world())
    assert answer.attempts == 3
    assert answer.replayed
    new = answer.parse() if what == "create" else answer.parse().new_key
    assert client.api_keys.list(status="all").total == before + 1
    assert client.api_keys.verify(new.api_key).valid
    heads = b"".join(relay.requests).lower().split(b"\r\n")
    keys = {line for line in heads if line.startswith(b"idempotency-key:")}
    assert len(keys) == 1


@both
def test_a_service_that_is_away_is_tried_again_though_it_spends_much(ask: Callable[..., Any]) -> None:
    """Nothing can have been done where no connection was made."""
    still = Still()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(APIConnectionError) as raised:
        ask(f"http://127.0.0.1:{port}", lambda c: c.api_keys.verify("x", cost=5), _world=still.world())
    assert raised.value.unsent
    assert raised.value.attempts == 3


def test_a_cancelled_call_gives_its_connection_back(service: Service) -> None:
    async def run() -> None:
        relay = Relay(service.base_url.removeprefix("http://"))
        with relay.listening() as base:
            limits = httpx.Limits(max_connections=1)
            client = AsyncKeypin(base_url=base, http_client=httpx.AsyncClient(limits=limits), max_retries=0)
            await client.health.live()
            relay.stalled.set()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.health.live(), 0.2)
            relay.stalled.clear()
            assert (await asyncio.wait_for(client.health.live(), 5)).status == "ok"

    asyncio.run(run())
