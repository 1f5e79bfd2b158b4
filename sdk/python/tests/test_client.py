from __future__ import annotations

import asyncio
import inspect
import pickle
import re
import threading
import traceback
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
import respx

import keypin
from keypin import NOT_GIVEN, AsyncKeypin, InvalidArgumentError, Keypin, Secret
from service import PACKAGE
from test_errors import BASE, ID, TOKEN
from test_retries import META
from test_secret import CREATED

OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
WHO = {"data": {"auth_kind": "clerk", "user_id": ID, "workspace_id": ID, "scopes": []}, "meta": META}


@pytest.fixture
def requests() -> Any:
    """What was sent; everything is answered."""
    with respx.mock:
        respx.get(f"{BASE}/api/v1/auth/whoami").respond(json=WHO)
        respx.route(url__startswith=f"{BASE}/api/v1/api-keys").respond(json={"data": CREATED, "meta": META})
        yield respx.calls


def sent(requests: Any) -> httpx.Request:
    request: httpx.Request = requests.last.request
    return request


def test_the_environment_has_the_defaults(monkeypatch: pytest.MonkeyPatch, requests: Any) -> None:
    monkeypatch.setenv("KEYPIN_BASE_URL", BASE + "/")
    monkeypatch.setenv("KEYPIN_WORKSPACE_ID", OTHER)
    monkeypatch.setenv("KEYPIN_TOKEN", "a-session")
    Keypin().auth.whoami()
    assert sent(requests).headers["Authorization"] == "Bearer a-session"
    assert sent(requests).headers["X-Workspace-Id"] == OTHER
    monkeypatch.setenv("KEYPIN_API_KEY", TOKEN)
    Keypin().auth.whoami()
    assert sent(requests).headers["Authorization"] == f"Bearer {TOKEN}"
    Keypin(token=Secret("mine"), workspace_id=ID).auth.whoami()
    assert sent(requests).headers["Authorization"] == "Bearer mine"
    assert sent(requests).headers["X-Workspace-Id"] == ID


def test_one_credential_is_sent() -> None:
    with pytest.raises(InvalidArgumentError, match="either"):
        Keypin(base_url=BASE, api_key=TOKEN, token="x")
    with pytest.raises(InvalidArgumentError, match="either"):
        Keypin(base_url=BASE).with_options(api_key=TOKEN, token="x")


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": "3"},
        {"timeout": (3, 5)},
        {"max_retries": -1},
        {"max_retries": "2"},
        {"workspace_id": "acme"},
        {"workspace_id": 7},
        {"default_headers": [("X-Trace", "1")]},
        {"default_headers": "X-Trace: 1"},
    ],
    ids=str,
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    [name] = options
    with pytest.raises(InvalidArgumentError, match=f"{name} must be"):
        Keypin(base_url=BASE, **options)
    with pytest.raises(InvalidArgumentError, match=f"{name} must be"):
        Keypin(base_url=BASE).with_options(**options)


@pytest.mark.parametrize("options", [{"timeout": "3"}, {"extra_headers": [("X-Trace", "1")]}], ids=str)
def test_options_of_a_call_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{next(iter(options))} must be"):
        Keypin(base_url=BASE, token="t").auth.whoami(**options)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"X-Trace": "schlüssel-1"}, "the value of X-Trace must be"),
        ({"X-Trace": "a\r\nX-Evil: schlüssel-1"}, "the value of X-Trace must be"),
        ({"X-Trace": " schlüssel-1"}, "the value of X-Trace must be"),
        ({"X-Trace": b"schl\xc3\xbcssel-1"}, "the value of X-Trace must be"),
        ({"X-Trace": None}, "the value of X-Trace must be"),
        ({"schlüssel-1": "x"}, "must have header names"),
        ({"schlüssel-1: x": "x"}, "must have header names"),
        ({1: "x"}, "must have header names"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(requests: Any, headers: Any, told: str) -> None:
    client = Keypin(base_url=BASE, token="t")
    for argument, make in (
        ("default_headers", lambda: Keypin(base_url=BASE, default_headers=headers)),
        ("default_headers", lambda: client.with_options(default_headers=headers)),
        ("extra_headers", lambda: client.auth.whoami(extra_headers=headers)),
    ):
        with pytest.raises(InvalidArgumentError, match=f"{argument}.* {told}|{argument} {told}") as raised:
            make()
        assert "ssel-1" not in "".join(traceback.format_exception(raised.value))
    client.auth.whoami(extra_headers={"X-Empty": "", "X-Two": "a b\tc"})
    assert len(requests) == 1


@pytest.mark.parametrize(
    "idempotency_key", ["", "short", " of-space", "schlüssel-1", "x" * 256, None, 12345678, b"12345678"]
)
@pytest.mark.parametrize("kind", [Keypin, AsyncKeypin])
def test_an_idempotency_key_that_cannot_be_one_is_refused_and_not_replaced(
    requests: Any, kind: type[Keypin] | type[AsyncKeypin], idempotency_key: Any
) -> None:
    client: Any = kind(base_url=BASE, token="t", workspace_id=ID)

    async def run(call: Any, more: dict[str, str]) -> None:
        made = call(idempotency_key=idempotency_key, **more)
        if inspect.isawaitable(made):
            await made

    calls: list[tuple[Any, dict[str, str]]] = [
        (client.api_keys.create, {"name": "x"}),
        (client.api_keys.rotate, {"key_id": ID}),
        (client.workspaces.create, {"name": "x"}),
        (client.members.invites.create, {"email": "a@example.com", "role": "viewer"}),
    ]
    told = r"header\.Idempotency-Key must be 8 to 255 .*; leave it out for a new one"
    for call, more in calls:
        with pytest.raises(InvalidArgumentError, match=told) as raised:
            asyncio.run(run(call, more))
        assert not idempotency_key or str(idempotency_key) not in str(raised.value)
    assert len(requests) == 0


@pytest.mark.parametrize(
    "wrong", [{"workspace_id": 1}, {"workspace_id": None}, {"if_match": b'"v1"'}, {"if_match": "ü"}]
)
def test_a_header_argument_of_another_kind_is_refused_and_not_dropped(requests: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"header\."):
        Keypin(base_url=BASE, token="t").api_keys.update(ID, name="x", **wrong)
    assert len(requests) == 0


@pytest.mark.parametrize("workspace_id", [None, "acme", 1])
@pytest.mark.parametrize("kind", [Keypin, AsyncKeypin])
def test_a_workspace_that_cannot_be_one_is_refused_and_not_the_clients(
    requests: Any, kind: type[Keypin] | type[AsyncKeypin], workspace_id: Any
) -> None:
    client: Any = kind(base_url=BASE, token="t", workspace_id=ID)

    async def run(call: Any) -> None:
        made = call(workspace_id=workspace_id)
        if inspect.isawaitable(made):
            await made

    told = r"(header\.X-Workspace-Id|path\.workspace_id) must be a UUID; leave it out for the client's workspace"
    for call in (client.auth.whoami, client.api_keys.list, client.members.list, client.members.invites.list):
        with pytest.raises(InvalidArgumentError, match=told):
            asyncio.run(run(call))
    assert len(requests) == 0


def test_what_is_public_names_itself_as_it_is_imported() -> None:
    kinds = [found for name in keypin.__all__ if isinstance(found := getattr(keypin, name), type)]
    assert len(kinds) == len(keypin.__all__) - 2, "all but NOT_GIVEN and __version__"
    for kind in kinds:
        assert kind.__module__ == "keypin"
        assert pickle.loads(pickle.dumps(kind)) is kind


def test_the_synchronous_code_does_not_speak_of_the_asynchronous() -> None:
    for file in (PACKAGE / "src" / "keypin" / "_sync").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert re.findall(r"(?i)\b(?:\w*async\w*|await|tasks?|event loop|aclose)\b", text) == [], file


def test_with_options_makes_another_client(requests: Any) -> None:
    first = Keypin(base_url=BASE, token="first", workspace_id=ID, default_headers={"X-A": "1", "X-B": "1"})
    second = first.with_options(
        api_key=TOKEN, workspace_id=None, default_headers={"x-b": "2"}, timeout=None, max_retries=0
    )
    second.auth.whoami()
    assert sent(requests).headers["Authorization"] == f"Bearer {TOKEN}"
    assert "X-Workspace-Id" not in sent(requests).headers
    assert (sent(requests).headers["X-A"], sent(requests).headers["X-B"]) == ("1", "2")
    first.auth.whoami()
    assert sent(requests).headers["Authorization"] == "Bearer first"
    assert (first.workspace_id, second.workspace_id) == (ID, None)
    first.with_options(token=None).auth.whoami()
    assert "Authorization" not in sent(requests).headers


def test_a_call_names_its_workspace_headers_and_timeout(requests: Any) -> None:
    client = Keypin(base_url=BASE, token="t", workspace_id=ID)
    client.auth.whoami(workspace_id=OTHER, extra_headers={"x-trace": "1", "user-agent": "mine"}, timeout=3)
    assert sent(requests).headers["X-Workspace-Id"] == OTHER
    assert sent(requests).headers["X-Trace"] == "1"
    assert sent(requests).headers.get_list("User-Agent") == ["mine"]
    within = sent(requests).extensions["timeout"]
    assert within == {"connect": pytest.approx(2.7, abs=0.1), "read": 3, "write": 3, "pool": 2.7}
    client.auth.whoami()
    assert sent(requests).extensions["timeout"] == {"connect": 5, "read": 30, "write": 30, "pool": 27}
    client.with_options(timeout=httpx.Timeout(9)).auth.whoami()
    assert sent(requests).extensions["timeout"]["connect"] == 9


def test_the_service_knows_this_package_by_its_user_agent(requests: Any) -> None:
    Keypin(base_url=BASE).auth.whoami()
    assert sent(requests).headers["User-Agent"].startswith("keypin-python/")


def test_what_is_not_given_is_not_sent_and_none_is_null(requests: Any) -> None:
    client = Keypin(base_url=BASE, token="t")
    client.api_keys.update(ID)
    assert sent(requests).content == b"{}"
    client.api_keys.update(ID, expires_at=None, name=NOT_GIVEN, scopes=[])
    assert sent(requests).content == b'{"scopes":[],"expires_at":null}'
    client.api_keys.update(ID, rate_limit_per_min=None, allowed_ips=(), metadata={})
    assert sent(requests).content == b'{"rate_limit_per_min":null,"allowed_ips":[],"metadata":{}}'


def test_times_are_sent_in_utc_and_need_a_zone(requests: Any) -> None:
    client = Keypin(base_url=BASE, token="t")
    client.api_keys.update(ID, expires_at=datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    assert sent(requests).content == b'{"expires_at":"2027-01-01T00:00:00Z"}'
    for call in (
        lambda: client.api_keys.update(ID, expires_at=datetime(2027, 1, 1)),
        lambda: client.usage.get(from_=datetime(2027, 1, 1)),
    ):
        with pytest.raises(InvalidArgumentError, match="must have a timezone"):
            call()


@pytest.mark.parametrize("wrong", [{"scopes": "workflows:read"}, {"metadata": {"a": object()}}, {"name": "\ud800"}])
def test_a_body_that_cannot_be_right_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="body"):
        Keypin(base_url=BASE).api_keys.create(**{"name": "x", **wrong})


def test_a_client_of_ones_own_is_used_with_its_headers_and_not_closed(requests: Any) -> None:
    own = httpx.Client(headers={"X-Own": "1"}, auth=("ada", "secret"), cookies={"a": "b"})
    with Keypin(base_url=BASE, token="t", http_client=own) as client:
        client.auth.whoami()
    assert sent(requests).headers["X-Own"] == "1"
    assert sent(requests).headers["Authorization"] == "Bearer t"
    assert not own.is_closed


def test_a_closed_client_says_so(requests: Any) -> None:
    client = Keypin(base_url=BASE, token="t")
    client.close()
    with pytest.raises(InvalidArgumentError, match="was closed"):
        client.auth.whoami()

    async def closed() -> None:
        async with AsyncKeypin(base_url=BASE, token="t") as other:
            await other.auth.whoami()
        with pytest.raises(InvalidArgumentError, match="was closed"):
            await other.auth.whoami()

    asyncio.run(closed())


def test_a_client_prints_without_its_token() -> None:
    headers = {"X-Keypin-Token": TOKEN, "X-API-Key": TOKEN}
    for client in (
        Keypin(base_url=BASE, api_key=TOKEN, default_headers=headers),
        AsyncKeypin(base_url=BASE, token=TOKEN, default_headers=headers),
    ):
        assert repr(client).endswith(f"of {BASE}>")
        assert TOKEN not in f"{client!r} {vars(client)!r} {client._transport!r}"


@respx.mock
def test_a_raw_answer_tells_what_the_data_does_not() -> None:
    headers = {
        "X-Request-Id": "req_1",
        "ETag": '"v1"',
        "Idempotent-Replayed": "true",
        "X-RateLimit-Limit": "5",
        "X-RateLimit-Remaining": "4",
        "X-RateLimit-Reset": "1700000000",
    }
    respx.post(f"{BASE}/api/v1/api-keys").respond(201, json={"data": CREATED, "meta": META}, headers=headers)
    answer = Keypin(base_url=BASE, api_key=TOKEN).api_keys.with_raw_response.create(name="x")
    assert (answer.status_code, answer.request_id, answer.attempts, answer.replayed) == (201, "req_1", 1, True)
    assert answer.rate_limit is not None
    assert answer.rate_limit.remaining == 4
    key = answer.parse()
    assert key is answer.parse()
    assert (key.etag, key._request_id) == ('"v1"', "req_1")
    assert "etag" not in key.model_dump()
    shown = f"{answer!r} {answer.http_response.request.headers!r} {answer.http_response.request.content!r}"
    assert TOKEN not in shown
    assert key.api_key.reveal() not in shown


def page(offset: int, limit: int, total: int) -> httpx.Response:
    rows = [{**CREATED, "name": f"key {n}"} for n in range(offset, min(offset + limit, total))]
    after = "https://elsewhere.example.com/trap" if offset + limit < total else None
    place = {"next": after, "prev": None, "limit": limit, "total": total}
    return httpx.Response(200, json={"data": rows, "meta": META, "pagination": place})


@pytest.fixture
def listed() -> Any:
    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        return page(int(query.get("offset", 0)), int(query.get("limit", 50)), 7)

    with respx.mock:
        yield respx.get(f"{BASE}/api/v1/api-keys").mock(side_effect=answer)


def test_a_list_goes_through_its_pages(listed: Any) -> None:
    client = Keypin(base_url=BASE, token="t")
    first = client.api_keys.list(limit=3, status="all", q="a b")
    assert (first.total, first.limit, first.offset, len(first.data), first.has_next_page()) == (7, 3, 0, 3, True)
    assert listed.call_count == 1
    assert [key.name for key in first] == [f"key {n}" for n in range(7)]
    assert listed.call_count == 3
    assert [str(c.request.url.query, "ascii") for c in listed.calls] == [
        "limit=3&status=all&q=a+b",
        "offset=3&limit=3&status=all&q=a+b",
        "offset=6&limit=3&status=all&q=a+b",
    ]
    assert [len(p.data) for p in first.iter_pages()] == [3, 3, 1]
    last = client.api_keys.list(limit=3, offset=6)
    assert not last.has_next_page()
    with pytest.raises(RuntimeError, match="last page"):
        last.get_next_page()


def test_an_asynchronous_list_is_awaited_for_a_page_or_gone_through(listed: Any) -> None:
    async def run() -> None:
        client = AsyncKeypin(base_url=BASE, token="t")
        first = await client.api_keys.list(limit=3, offset=1)
        assert (first.total, first.offset, len(first.data)) == (7, 1, 3)
        assert [key.name async for key in client.api_keys.list(limit=3)] == [f"key {n}" for n in range(7)]
        assert [len(p.data) async for p in first.iter_pages()] == [3, 3]
        raw = await client.api_keys.with_raw_response.list(limit=3)
        assert [key.name async for key in raw.parse()] == [f"key {n}" for n in range(7)]

    asyncio.run(run())


def test_a_list_from_no_offset_begins_at_the_beginning(listed: Any) -> None:
    nowhere: Any = None
    first = Keypin(base_url=BASE, token="t").api_keys.list(limit=3, offset=nowhere)
    assert [key.name for key in first] == [f"key {n}" for n in range(7)]

    async def run() -> list[str]:
        client = AsyncKeypin(base_url=BASE, token="t")
        return [key.name async for key in client.api_keys.list(limit=3, offset=nowhere)]

    assert asyncio.run(run()) == [f"key {n}" for n in range(7)]


def test_many_threads_share_one_client(requests: Any) -> None:
    client = Keypin(base_url=BASE, token="t")
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                assert client.api_keys.get(ID).name == "Nightly export"
        except BaseException as fault:
            failed.append(fault)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(client._transport.connections._own) == 1
