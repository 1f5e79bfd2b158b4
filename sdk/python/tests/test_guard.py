"""The Guard against the real binary."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from keypin import APIConnectionError, Guard, InvalidArgumentError, Keypin, KeypinError, Secret
from keypin.types import CreatedApiKey, Verification
from service import Relay, Service, eventually

SCOPES = ["workflows:read"]


@pytest.fixture
def relay(service: Service) -> Relay:
    return Relay(service.data_url.removeprefix("http://"))


@pytest.fixture
def guard(relay: Relay) -> Iterator[Guard]:
    with relay.listening() as base, Guard(base) as made:
        yield made


@pytest.fixture
def key(client: Keypin) -> CreatedApiKey:
    return client.api_keys.create(name="guarded", scopes=SCOPES)


def sync_verify(guard: Guard, key: CreatedApiKey | str, **more: Any) -> Verification:
    presented = key if isinstance(key, str) else key.api_key
    return guard.verify(presented, scopes=SCOPES, **more)


def async_verify(guard: Guard, key: CreatedApiKey | str, **more: Any) -> Verification:
    presented = key if isinstance(key, str) else key.api_key
    return asyncio.run(guard.averify(presented, scopes=SCOPES, **more))


both = pytest.mark.parametrize("verify", [sync_verify, async_verify])


def asked(relay: Relay) -> int:
    return sum(part.count(b"POST /api/v1/api-keys/verify") for part in relay.requests)


def fresh(guard: Guard) -> None:
    guard.start()
    eventually(lambda: guard.fresh, "the guard follows the stream")


@both
def test_a_key_is_asked_for_once_and_then_known(
    verify: Callable[..., Verification], guard: Guard, relay: Relay, key: CreatedApiKey
) -> None:
    fresh(guard)
    first = verify(guard, key)
    assert first.valid
    assert first.api_key is not None
    assert first.api_key.id == key.id
    for _ in range(20):
        again = verify(guard, key)
        assert again.valid
        assert again.api_key == first.api_key
    assert guard.verify(key.api_key, scopes=["voices:write"]).code == "insufficient_scope"
    assert asked(relay) == 1


@both
@pytest.mark.parametrize("change", ["delete", "suspend", "narrow", "rotate", "move"])
def test_what_is_narrowed_is_refused_within_a_second(
    verify: Callable[..., Verification], change: str, guard: Guard, client: Keypin, key: CreatedApiKey
) -> None:
    fresh(guard)
    assert verify(guard, key, client_ip="127.0.0.1").valid
    changes: dict[str, Callable[[], object]] = {
        "delete": lambda: client.api_keys.delete(key.id),
        "suspend": lambda: client.api_keys.update(key.id, active=False),
        "narrow": lambda: client.api_keys.update(key.id, scopes=[]),
        "rotate": lambda: client.api_keys.rotate(key.id),
        "move": lambda: client.api_keys.update(key.id, allowed_ips=["198.51.100.0/24"]),
    }
    changes[change]()
    answered = time.monotonic()
    eventually(lambda: not verify(guard, key, client_ip="127.0.0.1").valid, "the change is seen", 1.0)
    assert time.monotonic() - answered < 1.0
    for _ in range(20):
        assert not verify(guard, key, client_ip="127.0.0.1").valid


def test_a_deleted_workspace_is_seen(guard: Guard, client: Keypin) -> None:
    workspace = client.workspaces.create(name="short-lived")
    key = client.api_keys.create(name="x", scopes=SCOPES, workspace_id=workspace.id)
    fresh(guard)
    assert sync_verify(guard, key).valid
    client.workspaces.delete(workspace.id)
    eventually(lambda: not sync_verify(guard, key).valid, "the change is seen", 1.0)


@both
def test_a_stream_that_stalls_lets_nothing_old_through(
    verify: Callable[..., Verification], guard: Guard, relay: Relay, client: Keypin, key: CreatedApiKey
) -> None:
    """Nothing arrives, and nothing breaks: the memory is too old after a second, and nobody can be asked."""
    fresh(guard)
    assert verify(guard, key).valid
    relay.stalled.set()
    client.api_keys.delete(key.id)
    answered = time.monotonic()
    while (began := time.monotonic()) - answered < 1.3:
        try:
            let_in = verify(guard, key).valid if guard.fresh else False
        except KeypinError:
            let_in = False
        assert not (let_in and began - answered > 1.0)
    assert not guard.fresh
    relay.stalled.clear()
    eventually(lambda: not verify(guard, key).valid, "the answer is not valid")


@both
def test_a_guard_that_can_neither_prove_nor_ask_refuses(
    verify: Callable[..., Verification], guard: Guard, relay: Relay, key: CreatedApiKey
) -> None:
    fresh(guard)
    assert verify(guard, key).valid
    relay.refused.set()
    relay.cut()
    eventually(lambda: not guard.fresh, "the trust ends", 2)
    with pytest.raises(APIConnectionError):
        verify(guard, key)
    relay.refused.clear()
    eventually(lambda: guard.fresh, "the stream is back")
    assert verify(guard, key).valid


def test_a_stream_that_breaks_is_resumed_and_what_was_missed_is_told(
    guard: Guard, relay: Relay, client: Keypin, key: CreatedApiKey
) -> None:
    fresh(guard)
    other = client.api_keys.create(name="kept", scopes=SCOPES)
    assert sync_verify(guard, key).valid
    assert sync_verify(guard, other).valid
    relay.refused.set()
    relay.cut()
    client.api_keys.delete(key.id)
    eventually(lambda: not guard.fresh, "the trust ends", 2)
    relay.refused.clear()
    fresh(guard)
    before = asked(relay)
    assert sync_verify(guard, other).valid
    assert asked(relay) == before, "what did not change is still known"
    assert sync_verify(guard, key).code == "revoked"
    assert any(b"last-event-id" in part.lower() for part in relay.requests)


def test_a_limit_is_kept_over_all_who_check(guard: Guard, relay: Relay, client: Keypin, service: Service) -> None:
    key = client.api_keys.create(name="limited", scopes=SCOPES, rate_limit_per_min=10)
    fresh(guard)
    with Guard(service.data_url) as other:
        codes = [one.verify(key.api_key).code for _ in range(8) for one in (guard, other)]
    assert codes.count("valid") == 10
    assert set(codes) == {"valid", "rate_limited"}
    before = asked(relay)
    over = sync_verify(guard, key)
    assert over.code == "rate_limited"
    assert over.rate_limit is not None
    assert 0 < over.rate_limit.reset_at.timestamp() - time.time() < 61
    assert asked(relay) == before, "one that has reached its limit is refused here"


def test_what_is_no_key_is_not_asked_for_again(guard: Guard, relay: Relay) -> None:
    fresh(guard)
    for presented in ("", "x", "…", "op_live_0000000000000000000000000009BlC1", "ö" * 40):
        assert sync_verify(guard, presented).code == "malformed"
    assert asked(relay) == 0
    for _ in range(5):
        assert sync_verify(guard, "op_live_0000000000000000000000000009BlC0").code == "not_found"
    assert asked(relay) == 1


def test_uses_are_reported(service: Service, client: Keypin) -> None:
    key = client.api_keys.create(name="used", scopes=SCOPES)
    with Guard(service.data_url) as guard:
        fresh(guard)
        for _ in range(7):
            assert guard.verify(key.api_key, client_ip="192.0.2.7", user_agent="tool/1").valid
        guard.verify(key.api_key, scopes=["voices:write"])
        guard.verify(key.api_key, cost=0)
    eventually(
        lambda: client.api_keys.usage(key.id).totals == {"valid": 7, "insufficient_scope": 1}, "the uses are counted"
    )
    last = client.api_keys.usage(key.id).last_used
    assert last is not None
    assert (last.ip, last.user_agent) == ("192.0.2.7", "tool/1")


def test_many_threads_and_tasks_check_at_once(guard: Guard, relay: Relay, client: Keypin, key: CreatedApiKey) -> None:
    fresh(guard)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(200):
                assert sync_verify(guard, key).valid
        except BaseException as fault:
            failed.append(fault)

    async def tasks() -> None:
        assert all(v.valid for v in await asyncio.gather(*(guard.averify(key.api_key) for _ in range(500))))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    asyncio.run(tasks())
    for thread in threads:
        thread.join()
    assert not failed


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_guard_follows_in_a_forked_child_too(guard: Guard, client: Keypin, key: CreatedApiKey) -> None:
    """A child of a server that forks has none of its parent's threads, and must not trust its parent's memory."""
    fresh(guard)
    assert sync_verify(guard, key).valid
    ready, told = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert not guard.fresh
            assert sync_verify(guard, key).valid
            fresh(guard)
            assert sync_verify(guard, key).valid
            os.write(ready[1], b"x")
            os.read(told[0], 1)  # the key is revoked
            time.sleep(1.0)
            assert not sync_verify(guard, key).valid
            status = 0
        except BaseException as fault:
            sys.stderr.write(repr(fault))
        os._exit(status)
    os.close(ready[1])
    assert os.read(ready[0], 1) == b"x"
    client.api_keys.delete(key.id)
    os.write(told[1], b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not sync_verify(guard, key).valid
    assert guard.fresh
    for end in (ready[0], *told):
        os.close(end)


def test_a_guard_of_the_wrong_listener_says_so(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with Guard(service.base_url) as guard:
        guard.start()
        eventually(lambda: "is data_url its data listener's?" in caplog.text, "it is logged")
        assert not guard.fresh


def test_a_guard_ends(relay: Relay) -> None:
    with relay.listening() as base:
        guard = Guard(base)
        fresh(guard)
        began = time.monotonic()
        asyncio.run(guard.aclose())
        assert time.monotonic() - began < 3
        assert not guard.fresh
        assert not [t for t in threading.enumerate() if t.name.startswith("keypin-guard")]


@both
def test_a_guard_that_was_closed_refuses_to_check(verify: Callable[..., Verification], service: Service) -> None:
    guard = Guard(service.data_url)
    fresh(guard)
    guard.close()
    guard.close()
    with pytest.raises(InvalidArgumentError, match="this Guard was closed"):
        verify(guard, "op_live_0000000000000000000000000009BlC0")
    with pytest.raises(InvalidArgumentError, match="this Guard was closed"):
        guard.start()
    assert not guard.fresh
    assert not [t for t in threading.enumerate() if t.name.startswith("keypin-guard")]


def test_a_guard_takes_nothing_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, relay: Relay, key: CreatedApiKey
) -> None:
    monkeypatch.setenv("KEYPIN_API_KEY", "of-the-management-api")
    monkeypatch.setenv("KEYPIN_WORKSPACE_ID", "7c9e6679-7425-40de-944b-e07fc1f90ae7")
    with relay.listening() as base, Guard(base) as guard:
        assert sync_verify(guard, key).valid
        assert async_verify(guard, key).valid
    assert not any(b"of-the-management-api" in part or b"x-workspace-id" in part.lower() for part in relay.requests)


def test_a_guards_arguments_are_checked(guard: Guard) -> None:
    with pytest.raises(InvalidArgumentError, match="max_keys"):
        Guard("http://127.0.0.1:1", max_keys=0)
    with pytest.raises(InvalidArgumentError, match="scopes must be a list"):
        guard.verify("x", scopes="workflows:read")
    token = "-".join(("a", "data", "token"))
    printed = Guard("http://127.0.0.1:1", token=Secret(token))
    assert token not in f"{printed!r} {vars(printed)!r}"
