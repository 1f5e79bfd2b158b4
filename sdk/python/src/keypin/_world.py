"""Clocks, chance and waiting, which tests replace."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


async def _asleep(seconds: float) -> None:
    import anyio

    await anyio.sleep(seconds)


@dataclass(frozen=True)
class World:
    """What a client knows of the world around it."""

    now: Callable[[], float] = time.time
    """The clock on the wall, in seconds of Unix time."""

    steady: Callable[[], float] = time.monotonic
    """The clock that measures, in seconds."""

    random: Callable[[int], bytes] = os.urandom

    sleep: Callable[[float], None] = time.sleep

    asleep: Callable[[float], Awaitable[None]] = _asleep

    def chance(self) -> float:
        """From 0 to below 1."""
        return int.from_bytes(self.random(7), "big") / (1 << 56)

    def uuid(self) -> str:
        """A random UUID (RFC 9562 section 5.4)."""
        b = bytearray(self.random(16))
        b[6], b[8] = b[6] & 0x0F | 0x40, b[8] & 0x3F | 0x80
        h = b.hex()
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


WORLD = World()
