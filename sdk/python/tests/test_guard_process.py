"""What a Guard does by itself: it follows the stream, learns from answers, and reports."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx

from conftest import Still
from keypin import Guard, InvalidArgumentError, Keypin
from keypin._guard.decide import Question
from keypin._guard.form import hash_of
from keypin._guard.guard import _Process, _verify_call
from keypin._guard.reports import AT_ONCE, MAX_AGENT
from keypin._guard.stream import Follower
from keypin._models import VerificationResponse
from keypin._response import APIResponse
from test_errors import BASE, problem
from test_guard_parts import LIMIT, answer
from test_secret import KEY


class Pauses(threading.Event):
    """Notes the pauses between streams, and stops after some."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0)
        if len(self.waited) == self.most:
            self.set()
        return self.is_set()


def pauses(still: Still, token: Any, connect: Any = None) -> list[float]:
    """How long a Guard waits between streams that end, without chance."""
    still.chance = 0
    process = _Process(Keypin(base_url=BASE, token=token), 10, still.world())
    process._stopping = waits = Pauses(8)
    if connect is not None:
        process._connect = connect  # type: ignore[method-assign]  # what a stream does is not looked at here
    process._follow()
    return waits.waited


def test_a_stream_that_the_service_ends_at_once_is_begun_anew_after_a_pause(still: Still) -> None:
    def ended_well(http: httpx.Client, follower: Follower) -> None:
        follower.alive = True

    assert pauses(still, "t", ended_well) == [0.05] * 8


def test_a_token_that_cannot_be_had_makes_the_pauses_grow(still: Still, caplog: pytest.LogCaptureFixture) -> None:
    """Though the stream before was there."""
    tokens = iter(["t"])

    def token() -> str:
        for first in tokens:
            return first
        raise RuntimeError("no token today")

    hello = {"epoch": "e", "now_us": 0, "bound_ms": 1000, "resumed": False, "last": 0}
    told = (
        f"event: hello\ndata: {json.dumps(hello)}\n\nevent: alive\ndata: {json.dumps({'as_of_us': 0, 'last': 0})}\n\n"
    )
    with respx.mock:
        stream = respx.get(f"{BASE}/api/v1/invalidations")
        stream.respond(text=told, headers={"Content-Type": "text/event-stream"})
        assert pauses(still, token) == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert stream.call_count == 1
    assert "no token today" in caplog.text


@pytest.fixture
def process(still: Still) -> _Process:
    """One that follows a stream, and is asked about nothing yet."""
    made = _Process(Keypin(base_url=BASE, token="t", max_retries=0), 10, still.world())
    made._memory.begin_epoch("e")
    return made


def question(cost: int = 1, client_ip: str | None = None, user_agent: str | None = None) -> Question:
    return Question(KEY, hash_of(KEY), (), client_ip, cost, user_agent)


def learn(process: _Process, told: VerificationResponse, asked_at: int | None = None, cost: int = 1) -> bool:
    """Whether the key is let in on an answer, which was asked for after so many changes."""
    asked = question(cost)
    response = httpx.Response(200, text=told.model_dump_json(), headers={"X-Keypin-Epoch": "e"})
    raw = APIResponse(response, 1, _verify_call(asked), lambda r: VerificationResponse.model_validate_json(r.content))
    at = process._memory.changes if asked_at is None else asked_at
    return process._learn(asked, raw, at, process._world.steady()).valid


@pytest.mark.parametrize(
    ("valid", "code"), [(True, "revoked"), (False, "valid"), (True, "not_found"), (True, "of_a_later_version")]
)
def test_an_answer_of_which_half_says_no_is_neither_trusted_nor_remembered(
    process: _Process, valid: bool, code: str
) -> None:
    told = answer(code)
    half = told.model_copy(update={"data": told.data.model_copy(update={"valid": valid})})
    assert not learn(process, half)
    assert process._memory.get(hash_of(KEY)) is None
    assert not process._memory.is_unknown(hash_of(KEY), 0)


def test_a_limit_that_is_reached_is_noted_on_what_is_remembered(process: _Process) -> None:
    assert learn(process, answer(limit={**LIMIT, "remaining": 3}))
    remembered = process._memory.get(hash_of(KEY))
    assert remembered is not None
    assert remembered.refused_until == 0
    assert not learn(process, answer("rate_limited", limit=LIMIT), cost=2)
    assert remembered.refused_until == 0, "one admission may be there though two are not"
    assert not learn(process, answer("rate_limited", limit=LIMIT))
    assert remembered.refused_until == process._world.steady() + 30
    assert learn(process, answer(limit={**LIMIT, "remaining": 3}))
    assert remembered.refused_until == process._world.steady() + 30, "another's answer may be older"


def test_a_limit_that_was_reached_before_a_change_is_not_noted(process: _Process) -> None:
    """The change may have raised it."""
    before = process._memory.changes
    process._memory.forget(hash_of(KEY))
    assert learn(process, answer(limit={**LIMIT, "limit": 100, "remaining": 99}))
    assert not learn(process, answer("rate_limited", limit=LIMIT), asked_at=before)
    remembered = process._memory.get(hash_of(KEY))
    assert remembered is not None
    assert remembered.limit == 100
    assert remembered.refused_until == 0


def asked_with(asked: Question) -> dict[str, Any]:
    body = _verify_call(asked).body
    assert body is not None
    sent: dict[str, Any] = json.loads(body.content)
    return sent


@pytest.mark.parametrize(
    ("client_ip", "sent"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unix:", None),
        ("testclient", None),
        ("192.0.2.1:80", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_no_address_is_not_sent_as_one(client_ip: str | None, sent: str | None) -> None:
    assert asked_with(question(client_ip=client_ip)).get("client_ip") == sent


@pytest.mark.parametrize(
    ("user_agent", "sent"),
    [
        ("tool/1", "tool/1"),
        ("tool\x00/1\r\n", "tool/1"),
        ("\ud800", None),
        ("x" * 1000, "x" * MAX_AGENT),
        ("", None),
        (None, None),
    ],
)
def test_a_user_agent_is_printable_and_bounded(process: _Process, user_agent: str | None, sent: str | None) -> None:
    assert asked_with(question(user_agent=user_agent)).get("user_agent") == sent
    process._uses.count(hash_of(KEY), "valid", 0, None, user_agent)
    assert reported(process, 200)[0].get("user_agent") == sent


def reported(process: _Process, *statuses: int | Exception) -> list[dict[str, Any]]:
    """What is told in reports that are answered so."""

    def answers() -> Iterator[httpx.Response | Exception]:
        for status in statuses:
            yield status if isinstance(status, Exception) else httpx.Response(status, json=problem("x"))

    with respx.mock:
        route = respx.post(f"{BASE}/api/v1/usage-reports").mock(side_effect=answers())
        process._report()
        assert route.call_count == len(statuses)
        return [use for call in route.calls for use in json.loads(call.request.content)["uses"]]


def use(process: _Process, keys: int) -> None:
    for number in range(keys):
        process._uses.count(number.to_bytes(32, "big"), "valid", 0, None, None)


@pytest.mark.parametrize(
    "fault",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), 307, 401, 403, 404, 405, 408, 429, 500, 503],
)
def test_uses_are_reported_again_where_that_may_help(
    process: _Process, fault: int | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    use(process, AT_ONCE + 1)
    reported(process, fault)
    assert "kept for the next report: report-usage: " in caplog.text, "the reason is told"
    use(process, 1)
    counts = [told["count"] for told in reported(process, 200, 200)]
    assert sorted(counts) == [1] * AT_ONCE + [2]


@pytest.mark.parametrize("status", [400, 413, 415, 422, 426])
def test_uses_that_the_service_refuses_are_not_reported_again(
    process: _Process, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    use(process, AT_ONCE + 1)
    assert len(reported(process, status, 200)) == AT_ONCE + 1, "the others are reported nevertheless"
    assert f"not counted: report-usage: {status}" in caplog.text
    assert reported(process) == []


def test_a_last_report_that_fails_does_not_promise_another(process: _Process, caplog: pytest.LogCaptureFixture) -> None:
    use(process, 1)
    process._stopping.set()
    with respx.mock:
        respx.post(f"{BASE}/api/v1/usage-reports").respond(503)
        process._report_uses()
    assert "they are not counted: report-usage: 503" in caplog.text
    assert "next report" not in caplog.text


def test_uses_are_kept_when_a_token_cannot_be_had(still: Still, caplog: pytest.LogCaptureFixture) -> None:
    def token() -> str:
        raise RuntimeError("no token today")

    process = _Process(Keypin(base_url=BASE, token=token), 10, still.world())
    use(process, 1)
    assert reported(process) == []
    assert "no token today" in caplog.text
    assert len(process._uses.take()) == 1


class Closing:
    """A Guard whose last report waits until it is let go."""

    def __init__(self, still: Still) -> None:
        self.reporting, self.let_go = threading.Event(), threading.Event()
        self.guard = Guard(BASE, token=self.token, _world=still.world())

    def token(self) -> str:
        if threading.current_thread().name == "keypin-guard-reports":
            self.reporting.set()
            self.let_go.wait(10)
        return "t"

    def use(self) -> None:
        self.guard.start()
        use(self.guard._per_process[os.getpid()], 1)

    def refuses(self) -> None:
        for call in (lambda: self.guard.verify(KEY), lambda: asyncio.run(self.guard.averify(KEY)), self.guard.start):
            with pytest.raises(InvalidArgumentError, match="this Guard was closed"):
                call()
        self.guard.close()
        asyncio.run(self.guard.aclose())


@pytest.fixture
def closing(still: Still) -> Iterator[Closing]:
    with respx.mock:
        respx.get(f"{BASE}/api/v1/invalidations").respond(503)
        made = Closing(still)
        yield made
        made.let_go.set()


@pytest.mark.parametrize("how", ["close", "aclose"])
def test_a_check_while_a_guard_is_closed_does_not_lose_its_last_report(
    closing: Closing, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    taken = respx.post(f"{BASE}/api/v1/usage-reports").respond(200, json={})
    closing.use()
    ends = {"close": closing.guard.close, "aclose": lambda: asyncio.run(closing.guard.aclose())}
    closer = threading.Thread(target=ends[how])
    closer.start()
    assert closing.reporting.wait(10)
    closing.refuses()
    assert closer.is_alive(), "it waits for the report"
    closing.let_go.set()
    closer.join(10)
    assert taken.call_count == 1
    assert "could not be reported" not in caplog.text
    assert closing.guard._client._transport.connections._closed


def test_a_guard_refuses_to_check_as_soon_as_aclose_is_called(
    closing: Closing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who checks while it is awaited would else wait for its threads, and the event loop with them."""
    refused = []

    async def aclose_asker(self: _Process) -> None:
        with pytest.raises(InvalidArgumentError, match="this Guard was closed") as raised:
            await closing.guard.averify(KEY)
        refused.append(raised.value)

    monkeypatch.setattr(_Process, "aclose_asker", aclose_asker)
    closing.guard.start()
    asyncio.run(closing.guard.aclose())
    assert refused


def test_what_a_check_begins_while_the_guard_is_closed_ends_without_being_waited_for(
    closing: Closing, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard, begun = closing.guard, []
    monkeypatch.setattr(_Process, "close", lambda self: pytest.fail("it is waited for"))

    class Late(dict[int, _Process]):
        def setdefault(self, process: int, made: Any) -> Any:
            guard.close()
            begun.append(made)
            return super().setdefault(process, made)

    guard._per_process = Late()
    with pytest.raises(InvalidArgumentError, match="this Guard was closed"):
        guard.verify(KEY)
    assert guard._per_process == {}
    assert begun[0]._stopping.is_set()


def test_a_last_report_that_takes_too_long_is_told(
    closing: Closing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("keypin._guard.guard.ASK_WITHIN", -2.9)
    respx.post(f"{BASE}/api/v1/usage-reports").respond(200, json={})
    closing.use()
    closing.guard.close()
    assert "the last report takes too long" in caplog.text
