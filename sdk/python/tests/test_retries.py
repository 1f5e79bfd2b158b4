from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from conftest import Still
from keypin import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncKeypin,
    Keypin,
    KeypinError,
    RateLimitError,
)
from keypin._call import Call, Repeat
from keypin._exchange import retry_after
from keypin._retry import PATIENCE, may_repeat, next_wait
from test_errors import BASE, ID, problem
from test_secret import CREATED

META = {"request_id": "req_x", "timestamp": "2026-01-15T09:30:00Z"}


def call(repeat: Repeat = Repeat.WHEN_UNSURE, idempotent: bool = False) -> Call[Any]:
    return Call("x", "GET", "/", lambda body: body, repeat, {}, idempotent=idempotent)


def refused(status: int, code: str | None = None, after: float | None = None) -> APIStatusError:
    error = APIStatusError("x")
    error.status_code, error.code, error.retry_after = status, code, after
    return error


def lost(unsent: bool = False, final: bool = False) -> APIConnectionError:
    error = APIConnectionError("x")
    error.unsent, error.final = unsent, final
    return error


UNSURE, NOTHING_DONE, NEVER = Repeat.WHEN_UNSURE, Repeat.WHEN_NOTHING_DONE, Repeat.NEVER


@pytest.mark.parametrize(
    ("failure", "repeated"),
    [
        (lost(), {UNSURE}),
        (lost(unsent=True), {UNSURE, NOTHING_DONE}),
        (lost(final=True), set()),
        (APITimeoutError("x"), {UNSURE}),
        (refused(429, "rate_limited"), {UNSURE, NOTHING_DONE}),
        (refused(429, "quota_exceeded"), set()),
        (refused(408), {UNSURE}),
        (refused(500), {UNSURE}),
        (refused(502), {UNSURE}),
        (refused(503, "unavailable"), {UNSURE}),
        (refused(504), {UNSURE}),
        (refused(529), {UNSURE}),
        (refused(400), set()),
        (refused(401), set()),
        (refused(404), set()),
        (refused(409, "conflict", 1.0), set()),
        (refused(422), set()),
        (KeypinError("x"), set()),
    ],
)
def test_a_call_is_repeated_only_where_that_does_nothing_twice(failure: KeypinError, repeated: set[Repeat]) -> None:
    assert {repeat for repeat in Repeat if may_repeat(call(repeat), failure)} == repeated


def test_a_creation_waits_for_its_own_first_request() -> None:
    assert may_repeat(call(idempotent=True), refused(409, "conflict", 1.0))
    assert not may_repeat(call(idempotent=True), refused(409, "conflict"))
    assert not may_repeat(call(idempotent=True), refused(409, "workspace_slug_taken", 1.0))


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
@pytest.mark.parametrize(("requests", "longest"), [(1, 0.25), (2, 0.5), (3, 1.0), (5, 4.0), (6, 4.0), (100, 4.0)])
def test_waits_grow_and_differ(chance: float, requests: int, longest: float) -> None:
    wait = next_wait(call(), refused(500), requests, 1000, Still(chance=chance).world())
    assert wait == pytest.approx(longest / 2 + chance * longest / 2)


@pytest.mark.parametrize(("after", "least"), [(0.0, 0.125), (1.0, 1.0), (30.0, 30.0)])
def test_at_least_what_retry_after_says_is_waited(after: float, least: float) -> None:
    wait = next_wait(call(), refused(429, after=after), 1, 2, Still(chance=0.999).world())
    assert wait is not None
    assert least <= wait <= least + 0.25


def test_a_wait_that_is_longer_than_our_patience_is_the_callers() -> None:
    assert next_wait(call(), refused(429, after=PATIENCE + 1), 1, 2, Still().world()) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("9" * 400, float(2**31)),
        ("Tue, 14 Nov 2023 22:13:25 GMT", 5.0),
        ("Tue, 14 Nov 2023 22:13:15 GMT", 0.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(value, 1_700_000_000.0) == seconds


Answer = httpx.Response | Exception


def sync_call(still: Still, made: Callable[[Any], Any], **options: Any) -> Any:
    return made(Keypin(base_url=BASE, token="t", _world=still.world(), **options))


def async_call(still: Still, made: Callable[[Any], Any], **options: Any) -> Any:
    async def run() -> Any:
        return await made(AsyncKeypin(base_url=BASE, token="t", _world=still.world(), **options))

    return asyncio.run(run())


both = pytest.mark.parametrize("do", [sync_call, async_call])


@both
@respx.mock
def test_a_call_is_sent_again_until_it_is_answered(do: Callable[..., Any], still: Still) -> None:
    route = respx.get(url__startswith=BASE).mock(
        side_effect=[
            httpx.Response(503, json=problem("unavailable"), headers={"Retry-After": "2"}),
            httpx.ReadError("reset"),
            httpx.Response(200, json={"data": CREATED, "meta": META}),
        ]
    )
    answer = do(still, lambda client: client.api_keys.with_raw_response.get(ID))
    assert answer.attempts == route.call_count == 3
    assert answer.parse().id == ID
    assert still.slept == [pytest.approx(2.125), pytest.approx(0.375)]


@both
@pytest.mark.parametrize("max_retries", [0, 1, 5])
@respx.mock
def test_it_is_sent_again_as_often_as_the_client_was_told(
    do: Callable[..., Any], max_retries: int, still: Still
) -> None:
    route = respx.get(url__startswith=BASE).respond(429, json=problem("rate_limited"), headers={"Retry-After": "1"})
    with pytest.raises(RateLimitError) as raised:
        do(still, lambda client: client.auth.whoami(), max_retries=max_retries)
    assert raised.value.attempts == route.call_count == max_retries + 1
    assert len(still.slept) == max_retries


@both
@pytest.mark.parametrize("what", ["create", "rotate"])
@respx.mock
def test_all_requests_of_a_creation_carry_one_idempotency_key(do: Callable[..., Any], what: str, still: Still) -> None:
    made = CREATED if what == "create" else {"old_key": CREATED, "new_key": CREATED}
    route = respx.route(url__startswith=BASE).mock(
        side_effect=[
            httpx.ReadError("reset"),
            httpx.Response(409, json=problem("conflict"), headers={"Retry-After": "1"}),
            httpx.Response(201, json={"data": made, "meta": META}),
        ]
    )
    if what == "create":
        do(still, lambda client: client.api_keys.create(name="x"))
    else:
        do(still, lambda client: client.api_keys.rotate(ID))
    keys = {c.request.headers["Idempotency-Key"] for c in route.calls}
    assert len(keys) == 1
    assert route.call_count == 3


@respx.mock
def test_another_creation_carries_another_key() -> None:
    route = respx.post(url__startswith=BASE).respond(201, json={"data": CREATED, "meta": META})
    client = Keypin(base_url=BASE, token="t")
    client.api_keys.create(name="x")
    client.api_keys.create(name="x")
    client.api_keys.create(name="x", idempotency_key="my own key")
    keys = [c.request.headers["Idempotency-Key"] for c in route.calls]
    assert len(set(keys)) == 3
    assert keys[2] == "my own key"


@pytest.mark.parametrize(
    ("made", "repeated"),
    [
        (lambda c: c.api_keys.get(ID), True),
        (lambda c: c.api_keys.delete(ID), True),
        (lambda c: c.api_keys.update(ID, name="x"), True),
        (lambda c: c.api_keys.update(ID, name="x", if_match='"v1"'), False),
        (lambda c: c.api_keys.rotate(ID, if_match='"v1"'), True),
        (lambda c: c.api_keys.verify("x"), True),
        (lambda c: c.api_keys.verify("x", cost=0), True),
        (lambda c: c.api_keys.verify("x", cost=2), False),
        (lambda c: c.workspaces.create(name="x"), True),
        (lambda c: c.members.invites.create(workspace_id=ID, email="a@example.com", role="viewer"), True),
        (lambda c: c.members.invites.accept("x"), False),
        (lambda c: c.health.live(), False),
        (lambda c: c.health.ready(), False),
    ],
)
@respx.mock
def test_which_calls_are_repeated_when_the_answer_is_lost(
    made: Callable[[Keypin], object], repeated: bool, still: Still
) -> None:
    route = respx.route(url__startswith=BASE).mock(side_effect=httpx.ReadError("reset"))
    with pytest.raises(APIConnectionError):
        sync_call(still, made)
    assert route.call_count == (3 if repeated else 1)


def test_a_certificate_that_is_refused_is_not_asked_again(still: Still) -> None:
    sent = []

    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.ConnectError("bad certificate") from ssl.SSLCertVerificationError("self-signed")

    own = httpx.Client(transport=httpx.MockTransport(refuse))
    with pytest.raises(APIConnectionError, match="bad certificate"):
        sync_call(still, lambda client: client.auth.whoami(), http_client=own)
    assert len(sent) == 1


@both
@respx.mock
def test_a_function_is_asked_for_the_token_before_each_request(do: Callable[..., Any], still: Still) -> None:
    route = respx.get(url__startswith=BASE).respond(500, json=problem("internal_error"))
    fresh = iter(range(9))

    async def later() -> str:
        return f"session-{next(fresh)}"

    token = later if do is async_call else lambda: f"session-{next(fresh)}"

    def made(client: Any) -> Any:
        return client.with_options(token=token).auth.whoami()

    with pytest.raises(APIStatusError):
        do(still, made)
    assert [c.request.headers["Authorization"] for c in route.calls] == [f"Bearer session-{n}" for n in range(3)]
