"""A service, a network that misbehaves and a Guard, in time that is computed and not waited for."""

from __future__ import annotations

import heapq
import json
from binascii import crc32
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from random import Random
from typing import Any

import httpx

from keypin import Keypin
from keypin._guard.decide import Question
from keypin._guard.form import hash_of
from keypin._guard.guard import _Process, _verify_call
from keypin._guard.stream import Event, Follower, Instant, StreamError
from keypin._models import VerificationResponse
from keypin._response import APIResponse
from keypin._world import World

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
START = 1_700_000_000.0


def key_of(number: int) -> str:
    body = f"op_live_{number:026d}"
    rest, checksum = crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        checksum = ALPHABET[digit] + checksum
    return body + checksum


@dataclass
class Simulation:
    """Checks for a while, in which each key is revoked once."""

    random: Random
    keys: int = 30
    seconds: float = 45.0
    now: float = 0.0
    tells_late: bool = False
    """The service answers a change before it tells it on the stream, which it must not."""

    broken: list[str] = field(default_factory=list)
    """Acceptances that came too late."""

    accepted: int = 0
    remembered: int = 0
    asked: int = 0
    failed: int = 0

    def __post_init__(self) -> None:
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        # Clocks that begin anywhere and run apart by up to 1 part in 1000.
        self._our_rate, self._their_rate = 1 + self.random.uniform(-4e-4, 4e-4), 1 + self.random.uniform(-4e-4, 4e-4)
        self._our_zero, self._their_zero = self.random.uniform(0, 1e6), self.random.uniform(0, 1e6)
        world = World(now=lambda: START + self.now, steady=lambda: self._our_zero + self.now * self._our_rate)
        self._process = _Process(Keypin(base_url="http://service", token="none"), 1000, world)
        self._follower = Follower(self._process._memory)
        self._secrets = [key_of(n) for n in range(self.keys)]
        self._valid = [True] * self.keys
        self._answered: list[float | None] = [None] * self.keys
        self._feed: list[bytes] = []  # what the stream has told, in order
        self._connection = 0
        self._arrives = 0.0  # a stream keeps its order
        self._down_until = 0.0
        self._stalled_until = 0.0
        self._lag = 0.0  # every event comes so late, and none together

    # What happens, and when.

    def run(self) -> None:
        for number in range(self.keys):
            self.at(self.random.uniform(1, self.seconds - 3), partial(self.revoke, number))
        self.at(0.0, self.connect)
        for _ in range(4):
            self.at(0.0, self.check_on)
        self.at(self.random.uniform(1, 4), self.disturb)
        while self._agenda:
            self.now, _, do = heapq.heappop(self._agenda)
            if self.now > self.seconds:
                break
            do()

    def at(self, when: float, do: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (when, self._order, do))

    def after(self, delay: float, do: Callable[[], None]) -> None:
        self.at(self.now + delay, do)

    def disturb(self) -> None:
        length = self.random.choice([0.05, 0.3, 0.8, 1.5, 4.0])
        kind = self.random.choice(["stall", "cut", "down", "lag", "no more lag"])
        if kind == "stall":
            self._stalled_until = self.now + length
        elif kind == "down":
            self._down_until = self.now + length
            self._connection += 1
            self.after(self.random.uniform(0, 2), self.connect)
        elif kind == "cut":
            self._connection += 1
            self.after(self.random.uniform(0, 1), self.connect)
        else:
            self._lag = length if kind == "lag" else 0.0
        self.after(self.random.uniform(0.2, 5), self.disturb)

    # The service.

    def their_clock(self) -> float:
        return self._their_zero + self.now * self._their_rate

    def revoke(self, number: int) -> None:
        def tell() -> None:
            self._valid[number] = False
            self._feed.append(hash_of(self._secrets[number]))

        def answer() -> None:
            self._answered[number] = self.now

        late = 1.5 if self.tells_late else 0.0
        self.after(self.random.uniform(0, 0.01) + late, tell)
        self.after(0.01 + self.random.uniform(0, 0.01), answer)

    # The stream.

    def connect(self) -> None:
        if self.now < self._down_until:
            self.after(self.random.uniform(0.05, 0.5), self.connect)
            return
        self._connection += 1
        mine = self._connection
        self._arrives = self.now
        self._follower.connecting(self._instant())
        last_id = self._follower.last_event_id
        told = int(last_id.partition("-")[2]) if last_id else len(self._feed)
        resumed = last_id is not None

        def greet() -> None:
            hello = {"epoch": "e", "now_us": int(self.their_clock() * 1e6) + 1, "bound_ms": 1000, "resumed": resumed}
            self.deliver(mine, Event("", "hello", json.dumps({**hello, "last": told})))
            self.beat(mine, told)

        self.after(self.random.uniform(0, 0.1), greet)
        self.after(20.0, lambda: self.reconnect(mine))

    def reconnect(self, mine: int) -> None:
        if mine == self._connection:
            self.connect()

    def beat(self, mine: int, told: int) -> None:
        if mine != self._connection:
            return
        as_of = int(self.their_clock() * 1e6)
        for number, hash_ in enumerate(self._feed[told:], told + 1):
            self.deliver(mine, Event(f"e-{number}", "keys", json.dumps({"hashes": [hash_.hex()]})))
        alive = json.dumps({"as_of_us": as_of, "last": len(self._feed)})
        self.deliver(mine, Event("", "alive", alive))
        last = len(self._feed)
        self.after(0.2, lambda: self.beat(mine, last))

    def deliver(self, mine: int, event: Event) -> None:
        delay = self.random.choice([0.001, 0.005, 0.05]) * self.random.uniform(0, 2)
        self._arrives = max(self._arrives, self.now + self._lag + delay, self._stalled_until)

        def arrive() -> None:
            if mine != self._connection:
                return
            try:
                self._follower.apply(event, self._instant())
            except StreamError:
                self._connection += 1
                self.after(self.random.uniform(0.05, 0.1), self.connect)

        self.at(self._arrives, arrive)

    def _instant(self) -> Instant:
        return self._process._now()

    # The checks.

    def check_on(self) -> None:
        self.check(self.random.randrange(self.keys))
        self.after(self.random.uniform(0, 0.02), self.check_on)

    def check(self, number: int) -> None:
        began = self.now
        question, answer = self._process.look(self._secrets[number], (), None, 1, None)
        if answer is not None:
            self.remembered += 1
            self.judge(number, began, answer.valid)
            return
        if self.now < self._down_until:
            self.failed += 1
            return
        self.asked += 1
        asked_at, sent = self._process._memory.changes, self._process._world.steady()

        def decide() -> None:
            told = self.answer(number)
            back = self.random.choice([0.001, 0.01, 0.5, 1.5]) * self.random.uniform(0, 1)
            self.after(back, lambda: self.learn(number, began, question, told, asked_at, sent))

        self.after(self.random.uniform(0, 0.02), decide)

    def answer(self, number: int) -> dict[str, Any]:
        valid = self._valid[number]
        key: dict[str, Any] = {
            "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "workspace_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
            "name": str(number),
            "key_type": "live",
            "scopes": [],
            "metadata": {},
            "expires_at": None,
            "created_by": None,
            "allowed_ips": [],
        }
        at = datetime.fromtimestamp(START + self.now, timezone.utc).isoformat()
        data = {"valid": valid, "code": "valid" if valid else "revoked", "api_key": key, "rate_limit": None}
        return {"data": data, "meta": {"request_id": "r", "timestamp": at}}

    def learn(
        self, number: int, began: float, question: Question, told: dict[str, Any], asked_at: int, sent: float
    ) -> None:
        response = httpx.Response(200, json=told, headers={"X-Keypin-Epoch": "e"})
        answer = APIResponse(
            response, 1, _verify_call(question), lambda r: VerificationResponse.model_validate_json(r.content)
        )
        self.judge(number, began, self._process._learn(question, answer, asked_at, sent).valid)

    def judge(self, number: int, began: float, valid: bool) -> None:
        answered = self._answered[number]
        self.accepted += valid
        if valid and answered is not None and began - answered > 1.0:
            self.broken.append(f"key {number} was let in {began - answered:.3f} s after its revocation was answered")
