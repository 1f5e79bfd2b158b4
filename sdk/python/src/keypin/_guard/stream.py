"""Follows the stream of what changes. Nothing in here waits or reads a clock.

When a key is revoked: once a revocation, suspension, rotation without grace or narrowing
has been answered by the service, no request that arrives here more than 1 s later is let
through on the old state, whatever fails. The proof, step by step:

 1. The service tells a change on the stream before it answers it.
 2. Every 0.2 s the stream says: as of the instant s of the service's own clock, you have
    been told everything. Where it broke off, a new one resumes; where that is not possible,
    everything is forgotten.
 3. We read our clock before we connect (t0), and the service's first event tells the
    service's clock at some instant after that (s0). So the instant s was no earlier here
    than t0 + (s - s0), but for what the two clocks drift apart in the life of a stream, a
    minute, for which 1 part in 1000 is taken off. How long an event was under way, or lay
    in a buffer, does not matter.
 4. The memory is trusted until 1 s after that instant, no longer.

A process that is stopped, or a machine that is suspended, finds its memory too old when it
wakes up: the clock on the wall is looked at beside the steady one, and the earlier end
counts. A virtual machine whose clocks are both stopped and not set right before it goes on
would not notice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .memory import Memory, Trust

DRIFT = 1000
"""1 part in so many of a stream's age is taken off: twice what NTP slews by."""

CLOCK_STEP = 0.2
"""Seconds by which the clock on the wall may move against the steady one before the clocks are compared anew."""

MAX_EVENT = 8 << 20
"""Bytes."""


class StreamError(Exception):
    """The stream cannot be followed on; another one is begun."""


@dataclass(frozen=True)
class Instant:
    """A moment by both clocks."""

    steady: float
    wall: float


@dataclass(frozen=True)
class Event:
    id: str
    name: str
    data: str


class EventReader:
    """Makes events of the bytes of a stream (server-sent events)."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}
        self._size = 0

    def feed(self, part: bytes) -> Iterator[Event]:
        """The events that are whole with this part."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) + self._size > MAX_EVENT:
            raise StreamError("an event of the stream is too long")
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            if not text:
                fields, self._fields, self._size = self._fields, {}, 0
                if "event" in fields:
                    yield Event(fields.get("id", ""), fields["event"], fields.get("data", ""))
                continue
            name, _, value = text.partition(":")
            if name in {"id", "event", "data"}:  # a line that begins with a colon is a comment
                self._fields[name] = value.removeprefix(" ")
                self._size += len(line)


class Follower:
    """Where in the stream a Guard is."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._epoch = ""
        self._last = 0
        self._greeted = False
        self._began = Instant(0, 0)
        self._began_their = 0.0
        self._bound = 0.0
        self.alive = False
        """The present connection has proven something."""

    @property
    def last_event_id(self) -> str | None:
        """What a new connection goes on from."""
        return f"{self._epoch}-{self._last}" if self._epoch else None

    def connecting(self, now: Instant) -> None:
        """A connection is about to be made."""
        self._began, self._greeted, self.alive = now, False, False

    def apply(self, event: Event, now: Instant) -> None:
        """Does what an event says."""
        try:
            data = json.loads(event.data)
            if event.name == "hello":
                self._hello(data)
            elif not self._greeted:
                raise StreamError("the stream does not begin with hello")
            elif event.name == "keys":
                for text in data["hashes"]:
                    self._memory.forget(_hash(text))
                self._count(event.id)
            elif event.name == "workspace":
                self._memory.forget_workspace(str(data["workspace_id"]))
                self._count(event.id)
            elif event.name == "alive":
                self._prove(data["as_of_us"] / 1e6, int(data["last"]), now)
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise StreamError("an event of the stream is not one") from fault

    def _hello(self, data: dict[str, Any]) -> None:
        epoch, last = str(data["epoch"]), int(data["last"])
        self._began_their, self._bound = data["now_us"] / 1e6, data["bound_ms"] / 1e3
        if data["resumed"] is not True or epoch != self._epoch:
            self._memory.begin_epoch(epoch)
            self._epoch, self._last = epoch, last
        self._greeted = True

    def _count(self, id_: str) -> None:
        """Checks that the event is the next one, or one that came before."""
        epoch, _, number = id_.partition("-")
        if epoch != self._epoch or not number.isdigit():
            raise StreamError("an event of the stream has no number of its epoch")
        if int(number) > self._last + 1:
            raise StreamError("an event of the stream is missing")
        self._last = max(self._last, int(number))

    def _prove(self, as_of: float, last: int, now: Instant) -> None:
        """Moves on until when the memory is trusted.

        Every change that was answered before as_of, by the service's clock, has a number
        of at most last.
        """
        if last > self._last:
            raise StreamError("an event of the stream is missing")
        measured, told = now.steady - self._began.steady, as_of - self._began_their
        step = (now.wall - self._began.wall) - measured
        if abs(step) > CLOCK_STEP or told > measured + CLOCK_STEP:
            self._memory.trust = None
            raise StreamError("the clock was set, or stood still; the stream is begun anew")
        if last < self._last:
            return  # said before what we know already
        more = told - max(measured, told) / DRIFT + self._bound
        until, old = Trust(self._began.steady + more, self._began.wall + more), self._memory.trust
        if old is None or until.steady > old.steady:
            self._memory.trust = until
        self.alive = True


def _hash(text: str) -> bytes:
    found = bytes.fromhex(text)
    if len(found) != 32:
        raise ValueError
    return found
