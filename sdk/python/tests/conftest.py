from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from keypin import Keypin
from keypin._world import World
from service import Service, serving


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real binary."""
    with serving(tmp_path_factory.mktemp("keypin")) as running:
        yield running


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[Keypin]:
    """A client that calls it with a session."""
    with Keypin(base_url=service.base_url, token=service.token()) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("KEYPIN_") and name != "KEYPIN_BIN":
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@dataclass
class Still:
    """A world in which only sleeping takes time, and chance is what is asked for."""

    at: float = 1_700_000_000.0
    chance: float = 0.5
    slept: list[float] = field(default_factory=list)

    def world(self) -> World:
        async def asleep(seconds: float) -> None:
            self.sleep(seconds)

        tick: Callable[[], float] = lambda: self.at  # noqa: E731  # one line says it
        rest: Callable[[float], Awaitable[None]] = asleep
        return World(now=tick, steady=tick, random=self.random, sleep=self.sleep, asleep=rest)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    def random(self, n: int) -> bytes:
        return int(self.chance * (1 << 56)).to_bytes(7, "big") if n == 7 else os.urandom(n)


@pytest.fixture
def still() -> Still:
    return Still()
