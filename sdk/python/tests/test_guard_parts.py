"""What a stream proves, what is remembered, what a request presents: pure parts."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from keypin import KeypinError
from keypin._guard.decide import Question, decide, known_of, refused
from keypin._guard.form import hash_of, may_be_key, well_formed
from keypin._guard.http import Excluded, Refusal, cannot_check, no_key, presented, refusal_of
from keypin._guard.memory import LOOKS, MAX_UNKNOWN, Known, Memory, Trust, address_of, networks_of
from keypin._guard.reports import MAX_UNREPORTED, Uses
from keypin._guard.stream import Event, EventReader, Follower, Instant, StreamError
from keypin._models import VerificationResponse
from test_secret import KEY

WALL = 1_700_000_000.0
HASH = bytes(range(32))


def verified(**more: Any) -> dict[str, Any]:
    return {
        "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "workspace_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "name": "Nightly export",
        "key_type": "live",
        "scopes": ["workflows:read", "voices:read"],
        "metadata": {},
        "expires_at": None,
        "created_by": None,
        "allowed_ips": [],
        **more,
    }


def answer(
    code: str = "valid", key: dict[str, Any] | None = None, limit: dict[str, Any] | None = None
) -> VerificationResponse:
    data = {"valid": code == "valid", "code": code, "api_key": key or verified(), "rate_limit": limit}
    return VerificationResponse.model_validate(
        {"data": data, "meta": {"request_id": "r", "timestamp": "2026-01-15T09:30:00Z"}}
    )


def follower(memory: Memory, last: int = 5) -> Follower:
    """One whose stream began at 0 of our clock and at 100 s of the service's."""
    found = Follower(memory)
    found.connecting(Instant(0, WALL))
    hello = {"epoch": "e", "now_us": 100_000_000, "bound_ms": 1000, "resumed": False, "last": last}
    found.apply(Event("", "hello", json.dumps(hello)), Instant(0, WALL))
    return found


def alive(as_of: float, last: int = 5) -> Event:
    return Event("", "alive", json.dumps({"as_of_us": int(as_of * 1e6), "last": last}))


@pytest.mark.parametrize(
    ("now", "step", "as_of", "last", "until"),
    [
        pytest.param(0, 0, 100, 5, 1, id="at once"),
        pytest.param(1, 0, 101, 5, 1.999, id="a second later"),
        pytest.param(10, 0, 101, 5, 1.99, id="an event that lay in a queue"),
        pytest.param(0, 0, 99.7, 5, 0.7, id="a node that is behind"),
        pytest.param(0, 0, 100, 4, None, id="said before what is known"),
        pytest.param(0, 0, 100, 6, "fails", id="a change is missing"),
        pytest.param(1, 60, 101, 5, "fails", id="the clock on the wall set on"),
        pytest.param(1, -60, 101, 5, "fails", id="the clock on the wall set back"),
        pytest.param(1, 0, 110, 5, "fails", id="both clocks stood still a while"),
    ],
)
def test_what_a_stream_proves(now: float, step: float, as_of: float, last: int, until: float | str | None) -> None:
    memory = Memory(10)
    follows = follower(memory)
    if until == "fails":
        memory.trust = Trust(99, WALL + 99)
        with pytest.raises(StreamError):
            follows.apply(alive(as_of, last), Instant(now, WALL + now + step))
        if last == 5:
            assert memory.trust is None
        return
    follows.apply(alive(as_of, last), Instant(now, WALL + now + step))
    if until is None:
        assert memory.trust is None
        return
    assert isinstance(until, (int, float))
    assert memory.trust is not None
    assert memory.trust.steady == pytest.approx(until, abs=1e-9)
    assert memory.trust.wall == pytest.approx(WALL + until, abs=1e-6)


def test_trust_never_goes_back() -> None:
    memory = Memory(10)
    follows = follower(memory)
    follows.apply(alive(101), Instant(1, WALL + 1))
    before = memory.trust
    follows.apply(alive(100.5), Instant(1, WALL + 1))
    assert memory.trust == before


def test_a_clock_that_is_set_on_ends_the_trust() -> None:
    memory = Memory(10)
    memory.trust = Trust(10, WALL + 10)
    assert memory.fresh(9, WALL + 9)
    assert not memory.fresh(9, WALL + 7200), "a machine that slept for two hours trusts its memory"
    assert not memory.fresh(10, WALL)


def remembering(memory: Memory, **key: Any) -> Known:
    known = known_of(answer(key=verified(**key)), 0)
    assert known is not None
    memory.remember(HASH, known, asked_at=memory.changes, epoch="e")
    assert memory.get(HASH) is known
    return known


def test_what_the_stream_names_is_forgotten() -> None:
    memory = Memory(10)
    follows = follower(memory)
    remembering(memory)
    follows.apply(Event("e-6", "keys", json.dumps({"hashes": [HASH.hex()]})), Instant(0, WALL))
    assert memory.get(HASH) is None
    remembering(memory)
    follows.apply(Event("e-7", "workspace", json.dumps({"workspace_id": "another"})), Instant(0, WALL))
    assert memory.get(HASH) is not None
    follows.apply(Event("e-8", "workspace", json.dumps({"workspace_id": verified()["workspace_id"]})), Instant(0, WALL))
    assert memory.get(HASH) is None
    assert follows.last_event_id == "e-8"


def test_an_answer_that_was_asked_for_before_a_change_is_not_remembered() -> None:
    memory = Memory(10)
    follows = follower(memory)
    asked_at = memory.changes
    follows.apply(Event("e-6", "keys", json.dumps({"hashes": [HASH.hex()]})), Instant(0, WALL))
    known = known_of(answer(), 0)
    assert known is not None
    memory.remember(HASH, known, asked_at=asked_at, epoch="e")
    memory.remember(HASH, known, asked_at=memory.changes, epoch="another")
    memory.remember_unknown(HASH, 9, asked_at=asked_at, epoch="e")
    assert memory.get(HASH) is None
    assert not memory.is_unknown(HASH, 0)


def test_a_stream_that_does_not_resume_forgets_everything() -> None:
    memory = Memory(10)
    follows = follower(memory)
    remembering(memory)
    follows.apply(alive(100), Instant(0, WALL))
    resumed = {"epoch": "e", "now_us": 100_000_000, "bound_ms": 1000, "resumed": True, "last": 5}
    follows.connecting(Instant(1, WALL + 1))
    follows.apply(Event("", "hello", json.dumps(resumed)), Instant(1, WALL + 1))
    assert memory.get(HASH) is not None
    for hello in ({**resumed, "resumed": False}, {**resumed, "epoch": "f"}):
        known = known_of(answer(), 0)
        assert known is not None
        memory.remember(HASH, known, asked_at=memory.changes, epoch=str(memory.epoch))
        follows.connecting(Instant(1, WALL + 1))
        follows.apply(Event("", "hello", json.dumps(hello)), Instant(1, WALL + 1))
        assert memory.get(HASH) is None
        assert memory.trust is None


@pytest.mark.parametrize(
    "event",
    [
        Event("e-7", "keys", json.dumps({"hashes": []})),
        Event("f-6", "keys", json.dumps({"hashes": []})),
        Event("", "keys", json.dumps({"hashes": []})),
        Event("e-x", "workspace", json.dumps({"workspace_id": "w"})),
        Event("e-6", "keys", json.dumps({"hashes": ["00"]})),
        Event("e-6", "keys", "{}"),
        Event("e-6", "keys", "nonsense"),
        Event("", "alive", "[]"),
        Event("", "hello", "{}"),
    ],
)
def test_an_event_that_is_not_one_ends_the_stream(event: Event) -> None:
    with pytest.raises(StreamError):
        follower(Memory(10)).apply(event, Instant(0, WALL))


def test_a_stream_begins_with_hello() -> None:
    follows = Follower(Memory(10))
    follows.connecting(Instant(0, WALL))
    with pytest.raises(StreamError, match="hello"):
        follows.apply(alive(100), Instant(0, WALL))


def test_an_event_of_a_later_version_is_passed_over() -> None:
    follower(Memory(10)).apply(Event("", "news", "{}"), Instant(0, WALL))


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_read_however_they_are_cut(size: int) -> None:
    text = (
        b': hi\r\n\r\nevent: hello\ndata: {"a":1}\n\n'
        b"id: e-1\nevent:keys\ndata: {}\n\nretry: 3\n\ndata: x\n\nevent: alive\n"
    )
    reader, events = EventReader(), []
    for at in range(0, len(text), size):
        events += list(reader.feed(text[at : at + size]))
    assert events == [Event("", "hello", '{"a":1}'), Event("e-1", "keys", "{}")]


def test_an_event_that_is_too_long_ends_the_stream() -> None:
    reader = EventReader()
    assert list(reader.feed(b"data: " + b"x" * (1 << 20))) == []
    with pytest.raises(StreamError, match="too long"):
        list(reader.feed(b"x" * (8 << 20)))


def test_the_memory_is_bounded_and_forgets_what_is_not_used() -> None:
    memory = Memory(100)
    memory.begin_epoch("e")
    known = [bytes([n]) * 32 for n in range(200)]
    for n, hash_ in enumerate(known):
        found = known_of(answer(), 0)
        assert found is not None
        memory.remember(hash_, found, asked_at=memory.changes, epoch="e")
        if n >= 10:
            assert memory.get(known[3]) is not None, "what is used is kept"
    assert len(memory) == 100
    for n in range(MAX_UNKNOWN + 10):
        memory.remember_unknown(n.to_bytes(32, "big"), 5, asked_at=memory.changes, epoch="e")
    assert len(memory._unknown) == MAX_UNKNOWN
    assert memory.is_unknown((MAX_UNKNOWN + 9).to_bytes(32, "big"), 4.9)
    assert not memory.is_unknown((MAX_UNKNOWN + 9).to_bytes(32, "big"), 5)


def numbered(number: int) -> bytes:
    return number.to_bytes(32, "big")


def fill(memory: Memory, numbers: range) -> None:
    for number in numbers:
        memory.remember(numbered(number), Known(answer().data), asked_at=memory.changes, epoch=str(memory.epoch))


def test_room_is_made_by_looking_at_a_bounded_number_of_keys() -> None:
    memory = Memory(1000)
    memory.begin_epoch("e")
    fill(memory, range(1000))
    for number in range(1000):
        memory.get(numbered(number))  # all are used
    fill(memory, range(1000, 1001))
    assert len(memory) == 1000
    assert memory.get(numbered(1000)) is not None, "the new one has the room"
    assert len([known for known in memory._known.values() if not known.used]) == LOOKS


def test_room_in_a_full_memory_is_made_as_fast_however_much_was_forgotten() -> None:
    memory = Memory(100_000)
    memory.begin_epoch("e")
    one = Known(answer().data)
    began = time.process_time()
    for number in range(300_000):
        memory.remember(numbered(number), one, asked_at=memory.changes, epoch="e")
    # A second or so, however loaded the machine is; ten, if each search passes over what was forgotten before.
    assert time.process_time() - began < 6
    assert len(memory) == 100_000


def test_the_unreported_uses_are_bounded() -> None:
    uses = Uses()
    for n in range(MAX_UNREPORTED + 5):
        uses.count(n.to_bytes(32, "big"), "valid", WALL, None, None)
    taken = uses.take()
    assert len(taken) == MAX_UNREPORTED
    uses.count((1).to_bytes(32, "big"), "valid", WALL, None, None)
    uses.give_back(taken)
    again = uses.take()
    assert len(again) == MAX_UNREPORTED
    assert again[(1).to_bytes(32, "big"), "valid"].count == 2


def question(**more: Any) -> Question:
    given: dict[str, Any] = {
        "scopes": ["workflows:read"],
        "client_ip": "192.0.2.1",
        "cost": 1,
        "user_agent": None,
        **more,
    }
    return Question(KEY, HASH, **given)


LIMIT = {"limit": 5, "remaining": 0, "reset_at": "2026-01-15T09:30:30Z"}


@pytest.mark.parametrize(
    ("told", "asked", "now", "code"),
    [
        (answer(), question(), 0, "valid"),
        (answer("revoked"), question(), 0, "revoked"),
        (answer("inactive"), question(), 0, "inactive"),
        (answer(key=verified(expires_at="2026-01-15T09:30:10Z")), question(), 9.9, "valid"),
        (answer(key=verified(expires_at="2026-01-15T09:30:10Z")), question(), 10, "expired"),
        (answer(key=verified(allowed_ips=["192.0.2.0/24"])), question(), 0, "valid"),
        (answer(key=verified(allowed_ips=["192.0.2.0/24"])), question(client_ip="::ffff:192.0.2.9"), 0, "valid"),
        (answer(key=verified(allowed_ips=["192.0.2.0/24"])), question(client_ip="198.51.100.1"), 0, "ip_not_allowed"),
        (answer(key=verified(allowed_ips=["192.0.2.0/24"])), question(client_ip=None), 0, "ip_not_allowed"),
        (answer(key=verified(allowed_ips=["192.0.2.0/24"])), question(client_ip="unix:"), 0, "ip_not_allowed"),
        (answer(key=verified(allowed_ips=["2001:db8::1"])), question(client_ip="2001:db8::1%eth0"), 0, "valid"),
        (answer(), question(scopes=["voices:write"]), 0, "insufficient_scope"),
        (answer(), question(scopes=[]), 0, "valid"),
        (answer(limit=LIMIT), question(), 0, None),
        (answer(limit=LIMIT), question(cost=0), 0, "valid"),
        (answer("insufficient_scope"), question(), 0, None),
        (answer("insufficient_scope"), question(scopes=["voices:write"]), 0, "insufficient_scope"),
    ],
)
def test_a_key_is_decided_about_as_the_service_would(
    told: VerificationResponse, asked: Question, now: float, code: str | None
) -> None:
    known = known_of(told, 0)
    assert known is not None
    decided = decide(known, asked, now, datetime.fromtimestamp(WALL, timezone.utc))
    assert (decided.code if decided is not None else None) == code
    if decided is not None:
        assert decided.valid == (code == "valid")


@pytest.mark.parametrize(
    "told",
    [
        answer("quota_exceeded"),
        answer("of_a_later_version"),
        answer(key=verified(allowed_ips=["somewhere"])),
        answer(key={name: value for name, value in verified().items() if name != "expires_at"}),
        VerificationResponse.model_validate(
            {
                "data": {"valid": True, "code": "valid", "api_key": verified()},
                "meta": {"request_id": "r", "timestamp": "2026-01-15T09:30:00Z"},
            }
        ),
    ],
)
def test_what_is_not_understood_is_not_remembered(told: VerificationResponse) -> None:
    assert known_of(told, 0) is None


def test_a_limit_that_is_reached_is_refused_until_it_admits_again() -> None:
    known = known_of(answer("rate_limited", limit=LIMIT), 0)
    assert known is not None
    assert known.refused_until == 30
    wall = datetime.fromtimestamp(WALL, timezone.utc)
    over = decide(known, question(), 10, wall)
    assert over is not None
    assert over.code == "rate_limited"
    assert over.rate_limit is not None
    assert over.rate_limit.reset_at.timestamp() == WALL + 20
    assert decide(known, question(), 30, wall) is None


@pytest.mark.parametrize(
    ("authorization", "bare", "key", "given"),
    [
        ([f"Bearer {KEY}"], [], KEY, True),
        ([f"bearer  {KEY}"], [], KEY, True),
        ([], [KEY], KEY, True),
        ([f"Bearer {KEY}"], [KEY], KEY, True),
        (["Basic eDp5"], [KEY], KEY, True),
        ([], [], "", False),
        (["Basic eDp5"], [], "", False),
        (["Bearer "], [], "", True),
        (["Bearer x"], [KEY], "", True),
        ([f"Bearer {KEY}", f"Bearer {KEY}"], [], "", True),
        ([f"Bearer {KEY}", "Basic x"], [KEY], "", True),
        ([], [KEY, KEY], "", True),
    ],
)
def test_what_a_request_presents(authorization: list[str], bare: list[str], key: str, given: bool) -> None:
    assert presented(authorization, bare) == (key, given)


CHALLENGE = 'Bearer realm="keypin"'


@pytest.mark.parametrize(
    ("refusal", "status", "code", "challenge", "retry"),
    [
        (no_key(given=False), 401, "unauthorized", CHALLENGE, None),
        (no_key(given=True), 401, "unauthorized", CHALLENGE + ', error="invalid_token"', None),
        (refusal_of(refused("revoked"), [], 0), 401, "unauthorized", CHALLENGE + ', error="invalid_token"', None),
        (refusal_of(refused("ip_not_allowed"), [], 0), 403, "forbidden", None, None),
        (
            refusal_of(refused("insufficient_scope"), ["a:b", "c:d"], 0),
            403,
            "insufficient_scope",
            CHALLENGE + ', error="insufficient_scope", scope="a:b c:d"',
            None,
        ),
        (refusal_of(answer("rate_limited", limit=LIMIT).data, [], 1768469400.5), 429, "rate_limited", None, "30"),
        (refusal_of(refused("quota_exceeded"), [], 0), 429, "quota_exceeded", None, None),
        (cannot_check(KeypinError("x")), 503, "unavailable", None, "1"),
    ],
)
def test_a_refusal_is_answered_as_the_service_would(
    refusal: Refusal, status: int, code: str, challenge: str | None, retry: str | None
) -> None:
    headers = dict(refusal.headers)
    assert (refusal.status, refusal.code) == (status, code)
    assert headers.get("WWW-Authenticate") == challenge
    assert headers.get("Retry-After") == retry
    assert headers["Cache-Control"] == "no-store"
    body = json.loads(refusal.body)
    assert body["error"]["code"] == code
    assert body["error"]["message"].endswith(".")


@pytest.mark.parametrize(
    ("key", "right"),
    [
        (KEY, True),
        ("op_test_zZ9aB8cC7dD6eE5fF4gG3hH2iI2Pylo5", True),
        ("mkapi_7Qm2XcV9sLk4TnB1pWy8RzE3uA0WEUpB", True),
        (KEY[:-1] + "1", False),
        (KEY[:-1] + "!", False),
        (KEY.replace("_live_", "_live-"), False),
    ],
)
def test_a_wrong_checksum_is_seen_without_asking(key: str, right: bool) -> None:
    assert may_be_key(key)
    assert well_formed(key) == right


def test_a_key_is_known_by_its_hash() -> None:
    assert hash_of(KEY).hex() == "b6921fd9e7bcda1f9d55528807bbad28daba95cd1a3e53e89803314cf6c9ddf7"
    assert not may_be_key("op_live_short")
    assert not may_be_key("x" * 82)
    assert not may_be_key("ö" * 40)


def test_addresses_that_are_none_are_unknown() -> None:
    assert address_of("testclient") is None
    assert address_of("") is None
    assert str(address_of("::ffff:192.0.2.1")) == "192.0.2.1"
    assert address_of("fe80::1%eth0") == address_of("fe80::1")
    with pytest.raises(ValueError, match="somewhere"):
        networks_of(["somewhere"])


def test_excluded_paths_are_exact_or_begin_so() -> None:
    excluded = Excluded(["/health", "/static/*"])
    assert "/health" in excluded
    assert "/static/app.js" in excluded
    for path in (
        "/health/",
        "/healthy",
        "/static",
        "/",
        "/static/../keys",
        "/static//keys",
        "/static/..",
        "/static/..\\keys",
    ):
        assert path not in excluded
    with pytest.raises(TypeError):
        Excluded("/health")


def test_a_question_prints_without_its_key() -> None:
    assert KEY not in repr(question())
