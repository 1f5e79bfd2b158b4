from __future__ import annotations

import asyncio
import inspect
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

import keypin
from conftest import Still
from keypin import APIStatusError, AsyncKeypin, InvalidArgumentError, Keypin, KeypinError, Secret
from test_secret import CREATED, KEY

BASE = "https://keys.example.com"
ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
TOKEN = "op_live_7Qm2XcV9sLk4TnB1pWy8RzE3uA0WEUpB"


def problem(code: str, message: str = "It was refused.", **more: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, **more}, "meta": {"request_id": "req_x", "timestamp": "x"}}


@pytest.fixture
def client(still: Still) -> Keypin:
    return Keypin(api_key=TOKEN, base_url=BASE, max_retries=0, _world=still.world())


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_request", keypin.BadRequestError),
        (401, "unauthorized", keypin.AuthenticationError),
        (403, "insufficient_scope", keypin.PermissionDeniedError),
        (404, "not_found", keypin.NotFoundError),
        (405, "method_not_allowed", keypin.APIStatusError),
        (409, "api_key_revoked", keypin.ConflictError),
        (410, "gone", keypin.GoneError),
        (412, "precondition_failed", keypin.PreconditionFailedError),
        (422, "validation_error", keypin.UnprocessableEntityError),
        (426, "sdk_upgrade_required", keypin.UpgradeRequiredError),
        (429, "rate_limited", keypin.RateLimitError),
        (500, "internal_error", keypin.InternalServerError),
        (503, "unavailable", keypin.InternalServerError),
    ],
)
@respx.mock
def test_a_status_is_an_error_of_its_kind(client: Keypin, status: int, code: str, kind: type[APIStatusError]) -> None:
    headers = {"X-Request-Id": "req_1", "Retry-After": "7", "X-OnePin-Required-Version": "9.9"}
    respx.get(url__startswith=BASE).respond(status, json=problem(code), headers=headers)
    with pytest.raises(KeypinError) as raised:
        client.api_keys.get(ID)
    error = raised.value
    assert type(error) is kind
    assert (error.status_code, error.code, error.request_id, error.retry_after) == (status, code, "req_1", 7.0)
    assert (error.operation, error.attempts) == ("get-api-key", 1)
    assert error.response.status_code == status
    assert str(error) == f"get-api-key: {status} {code}: It was refused. (req_1)"
    if isinstance(error, keypin.UpgradeRequiredError):
        assert error.required_version == "9.9"


@respx.mock
def test_details_name_every_field_at_fault(client: Keypin) -> None:
    details = [
        {"field": "body.name", "message": "must not be empty"},
        {"field": "query.limit", "message": "is too big"},
    ]
    respx.post(f"{BASE}/api/v1/api-keys").respond(
        422, json=problem("validation_error", "It is not valid.", details=details)
    )
    with pytest.raises(keypin.UnprocessableEntityError) as raised:
        client.api_keys.create(name="")
    assert [(d.field, d.message) for d in raised.value.details] == [
        ("body.name", "must not be empty"),
        ("query.limit", "is too big"),
    ]
    assert "not valid: body.name must not be empty; query.limit is too big" in str(raised.value)


@respx.mock
def test_the_state_of_the_callers_limit_is_told(client: Keypin) -> None:
    headers = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000030"}
    respx.get(url__startswith=BASE).respond(429, json=problem("rate_limited"), headers=headers)
    with pytest.raises(keypin.RateLimitError) as raised:
        client.auth.whoami()
    assert raised.value.rate_limit is not None
    assert (raised.value.rate_limit.limit, raised.value.rate_limit.remaining) == (100, 0)
    assert raised.value.rate_limit.reset_at.timestamp() == 1_700_000_030
    assert raised.value.retry_after is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="<h1>nginx</h1>"),
        httpx.Response(404, json={"error": "no such page"}),
        httpx.Response(404, json={"error": {"code": "No Such", "message": "x"}}),
        httpx.Response(404, json=["error"]),
        httpx.Response(404, content=b"\xff\xfe"),
        httpx.Response(404, text="[" * 100_000),
    ],
)
@respx.mock
def test_an_answer_that_is_not_the_services_has_no_code(client: Keypin, answer: httpx.Response) -> None:
    respx.get(url__startswith=BASE).mock(return_value=answer)
    with pytest.raises(keypin.NotFoundError, match="perhaps a proxy's") as raised:
        client.api_keys.get(ID)
    assert raised.value.code is None


@respx.mock
def test_a_redirect_is_not_followed(client: Keypin) -> None:
    elsewhere = respx.get("https://elsewhere.example.com/").respond(200)
    respx.get(url__startswith=BASE).respond(302, headers={"Location": "https://elsewhere.example.com/"})
    with pytest.raises(APIStatusError, match="redirect"):
        client.api_keys.get(ID)
    assert not elsewhere.called


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"<html>", "json_invalid"),
        (b"{}", "data: missing"),
        (b'{"data": {}, "meta": {"request_id": "x", "timestamp": "2026-01-15T09:30:00Z"}}', "data.id: missing"),
        (b'{"data": {"api_key": "SECRETSECRET"}, "meta": 1}', "data.id: missing"),
    ],
)
@respx.mock
def test_a_2xx_that_is_not_the_services_is_told_without_what_it_holds(client: Keypin, body: bytes, where: str) -> None:
    respx.post(url__startswith=BASE).respond(201, content=body)
    with pytest.raises(keypin.APIResponseValidationError) as raised:
        client.api_keys.create(name="x")
    assert where in str(raised.value)
    assert raised.value.response is not None
    told = "".join(traceback.format_exception(raised.value))
    assert "SECRET" not in told
    assert raised.value.__context__ is None or raised.value.__suppress_context__


@respx.mock
def test_no_error_repeats_a_secret_that_the_answer_repeats(client: Keypin) -> None:
    def repeat(request: httpx.Request) -> httpx.Response:
        said = f"{request.content.decode()} {request.headers['authorization']} {request.url} {dict(request.headers)}"
        return httpx.Response(422, json=problem("validation_error", said, details=[{"field": said, "message": said}]))

    respx.route(url__startswith=BASE).mock(side_effect=repeat)
    invite, idempotency_key = "-".join(("a", "token/with", "slash")), "-".join(("hard", "to", "guess"))
    for call in (
        lambda: client.api_keys.verify(KEY),
        lambda: client.members.invites.accept(invite),
        lambda: client.api_keys.create(name="x", idempotency_key=idempotency_key),
    ):
        with pytest.raises(keypin.UnprocessableEntityError) as raised:
            call()
        error = raised.value
        told = f"{error!r} {error} {error.details} {error.response.request.url} {error.response.request.headers!r} "
        told += str(vars(error)) + "".join(traceback.format_exception(error))
        told += str(error.response.request.content)
        for secret in (KEY, TOKEN, invite, invite.replace("/", "%2F"), idempotency_key):
            assert secret not in told


@pytest.mark.parametrize("kind", [Keypin, AsyncKeypin])
@respx.mock
def test_the_variables_of_a_traceback_hold_no_secret(kind: type[Keypin] | type[AsyncKeypin]) -> None:
    """Some tools report them."""
    client: Any = kind(api_key=TOKEN, base_url=BASE, max_retries=0)
    respx.route(url__startswith=BASE).respond(500)
    invite = Secret("-".join(("a", "token", "slash")))
    for call in (
        lambda: client.api_keys.verify(Secret(KEY)),
        lambda: client.members.invites.accept(invite),
        lambda: client.auth.whoami(),
    ):

        async def run(call: Callable[[], Any] = call) -> None:
            found = call()
            if inspect.isawaitable(found):
                await found

        with pytest.raises(keypin.InternalServerError) as raised:
            asyncio.run(run())
        told = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
        assert "_once" in told
        assert [kept for kept in (KEY, TOKEN, invite.reveal()) if kept in told] == []


@respx.mock
def test_credentials_in_other_headers_are_hidden_too(client: Keypin) -> None:
    def repeat(request: httpx.Request) -> httpx.Response:
        return httpx.Response(422, json=problem("validation_error", f"You sent {dict(request.headers)}."))

    respx.get(url__startswith=BASE).mock(side_effect=repeat)
    headers = {"X-Keypin-Token": "data-token-of-mine", "x-api-key": KEY}
    for one, more in ((client, headers), (client.with_options(default_headers=headers), None)):
        with pytest.raises(keypin.UnprocessableEntityError, match=r"You sent .*\[secret\]") as raised:
            one.auth.whoami(extra_headers=more)
        told = f"{raised.value} {raised.value.response.request.headers!r}"
        assert [kept for kept in headers.values() if kept in told] == []


@respx.mock
def test_a_credential_in_another_header_is_hidden_without_its_scheme_or_name_too(client: Keypin) -> None:
    respx.get(url__startswith=BASE).mock(
        side_effect=lambda request: httpx.Response(
            422, json=problem("validation_error", f"You are {request.headers['X-Echo']}, I think.")
        )
    )
    first, second = "-".join(("hard", "to", "guess")), "-".join(("another", "one"))
    for headers in (
        {"Authorization": f"Bearer {first}"},
        {"proxy-authorization": f"Basic  {first}"},
        {"Cookie": f'theme=dark; session="{first}"; csrf={second}'},
    ):
        with pytest.raises(keypin.UnprocessableEntityError) as raised:
            client.auth.whoami(extra_headers={**headers, "X-Echo": f"{first} or {second}"})
        assert first not in str(raised.value)
        assert ("Cookie" in headers) == (second not in str(raised.value))


@respx.mock
def test_logs_hold_no_secret(client: Keypin, caplog: pytest.LogCaptureFixture) -> None:
    respx.post(url__startswith=BASE).respond(
        201, json={"data": CREATED, "meta": {"request_id": "x", "timestamp": "2026-01-15T09:30:00Z"}}
    )
    with caplog.at_level(logging.DEBUG):
        client.api_keys.create(name="x")
        with pytest.raises(keypin.APIResponseValidationError):
            client.members.invites.accept("a-token-that-is-secret")
    assert "create-api-key" in caplog.text
    assert "/api/v1/workspaces/invites/[secret]/accept" in caplog.text  # what httpx itself logs
    for secret in (KEY, TOKEN, "a-token-that-is-secret"):
        assert secret not in caplog.text


@respx.mock
def test_an_error_is_pickled_whole(client: Keypin) -> None:
    details = [{"field": "body.name", "message": "x"}]
    respx.get(url__startswith=BASE).respond(
        429, json=problem("rate_limited", details=details), headers={"Retry-After": "3"}
    )
    with pytest.raises(keypin.RateLimitError) as raised:
        client.auth.whoami()
    pickled = pickle.dumps(raised.value)
    assert TOKEN.encode() not in pickled
    again = pickle.loads(pickled)
    assert type(again) is keypin.RateLimitError
    assert (str(again), again.retry_after, again.details) == (str(raised.value), 3.0, raised.value.details)
    assert again.response.json() == raised.value.response.json()


@pytest.mark.parametrize(
    ("fault", "kind", "unsent"),
    [
        (httpx.ConnectError("refused"), keypin.APIConnectionError, True),
        (httpx.ConnectTimeout("slow"), keypin.APITimeoutError, True),
        (httpx.PoolTimeout("slow"), keypin.APITimeoutError, True),
        (httpx.ReadTimeout("slow"), keypin.APITimeoutError, False),
        (httpx.ReadError("reset"), keypin.APIConnectionError, False),
        (httpx.RemoteProtocolError("gone"), keypin.APIConnectionError, False),
    ],
)
@respx.mock
def test_no_answer_is_a_connection_error(
    client: Keypin, fault: httpx.TransportError, kind: type[keypin.APIConnectionError], unsent: bool
) -> None:
    respx.get(url__startswith=BASE).mock(side_effect=fault)
    with pytest.raises(keypin.APIConnectionError) as raised:
        client.auth.whoami()
    assert type(raised.value) is kind
    assert raised.value.unsent == unsent
    assert "https://keys.example.com:443" in str(raised.value)
    assert raised.value.response is None
    assert raised.value.request_id is None


@pytest.mark.parametrize(
    ("base", "origin"),
    [
        ("http://keys.example.com/behind/a/path", "http://keys.example.com:80"),
        ("https://keys.example.com:8443", "https://keys.example.com:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://keys.example.com:0", "http://keys.example.com:0"),
    ],
)
@respx.mock
def test_a_connection_error_names_what_could_not_be_reached(base: str, origin: str) -> None:
    respx.get(url__startswith=base).mock(side_effect=httpx.ConnectError("[Errno 111] Connection refused"))
    with pytest.raises(keypin.APIConnectionError) as raised:
        Keypin(base_url=base, max_retries=0).auth.whoami()
    assert str(raised.value) == f"whoami: no answer from {origin}: [Errno 111] Connection refused"


def test_what_is_wrong_with_the_arguments_is_told_at_once_and_whole() -> None:
    client = Keypin(base_url=BASE)
    with pytest.raises(InvalidArgumentError) as raised:
        client.api_keys.update("not-a-uuid", name=None, if_match=None, workspace_id="x")  # type: ignore[arg-type]  # it is wrong
    assert [d.field for d in raised.value.details] == [
        "path.key_id",
        "body.name",
        "header.X-Workspace-Id",
        "header.If-Match",
    ]
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("key_id", ["", ".", "..", "../workspaces", "x/rotate", "3fa85f64"])
def test_an_id_cannot_lead_to_another_path(key_id: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"path\.key_id must be a UUID"):
        Keypin(base_url=BASE).api_keys.delete(key_id)


def test_an_asynchronous_list_tells_of_its_arguments_when_it_is_called() -> None:
    async def called() -> None:
        with pytest.raises(InvalidArgumentError, match=r"path\.workspace_id is needed"):
            AsyncKeypin(base_url=BASE).members.list()

    asyncio.run(called())


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        (None, "KEYPIN_BASE_URL"),
        ("", "KEYPIN_BASE_URL"),
        ("keys.example.com", "https://"),
        ("ftp://keys.example.com", "https://"),
        ("https://", "name a host"),
        ("https://ada:secret@keys.example.com", "user or password"),
        ("https://keys.example.com?x", "query"),
        ("https://keys.example.com/api/v1/", "/api/v1"),
        ("https://[keys", "not a URL"),
        ("https://keys.example.com:99999", "not a URL"),
    ],
)
def test_a_base_url_that_cannot_be_one_is_refused(base_url: str | None, told: str) -> None:
    with pytest.raises(InvalidArgumentError, match=told) as raised:
        Keypin(base_url=base_url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("token", ["", "op_live_x\n", "a b", "op_live_…", "\x00"])
def test_a_token_that_cannot_be_one_is_refused_without_being_repeated(token: str) -> None:
    for make in (
        lambda: Keypin(base_url=BASE, api_key=token),
        lambda: Keypin(base_url=BASE, token=lambda: token).auth.whoami(),
    ):
        with pytest.raises(InvalidArgumentError, match="the token") as raised:
            make()
        assert token == "" or token not in str(raised.value)
