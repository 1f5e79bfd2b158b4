from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
import respx

from keypin import NOT_GIVEN, AsyncKeypin, InvalidArgumentError, Keypin, Secret
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
    [{"timeout": 0}, {"timeout": -1}, {"max_retries": -1}, {"workspace_id": "acme"}],
    ids=lambda o: next(iter(o)),
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        Keypin(base_url=BASE, **options)
    with pytest.raises(InvalidArgumentError):
        Keypin(base_url=BASE).with_options(**options)


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
    assert sent(requests).extensions["timeout"] == {"connect": 3, "read": 3, "write": 3, "pool": 3}
    client.auth.whoami()
    assert sent(requests).extensions["timeout"] == {"connect": 5, "read": 30, "write": 30, "pool": 30}
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
    for client in (Keypin(base_url=BASE, api_key=TOKEN), AsyncKeypin(base_url=BASE, token=TOKEN)):
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
