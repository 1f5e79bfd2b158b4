"""What a Guard does by itself: it follows the stream, learns from answers, and reports."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
import respx

from conftest import Still
from keypin import Keypin
from keypin._guard.guard import _Process
from keypin._guard.stream import Follower
from test_errors import BASE


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
