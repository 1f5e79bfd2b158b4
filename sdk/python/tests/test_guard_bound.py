"""The bound of a second holds whatever the network does, and the simulation would notice if it did not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from keypin._guard.memory import Memory, Trust
from keypin._guard.stream import Follower, Instant
from simulation import Simulation

SEEDS = range(6)


def broken(tells_late: bool = False) -> bool:
    """Whether something goes wrong in a few runs."""
    for seed in SEEDS:
        simulation = Simulation(Random(seed), tells_late=tells_late)
        simulation.run()
        if simulation.broken:
            return True
    return False


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_old_is_let_in_after_a_second(seed: int) -> None:
    simulation = Simulation(Random(seed))
    simulation.run()
    assert simulation.broken == []
    assert simulation.accepted > 1000
    assert simulation.remembered > 500
    assert simulation.asked > 500


def test_the_simulation_notices_a_service_that_tells_late() -> None:
    assert broken(tells_late=True)


def test_the_simulation_notices_a_guard_that_believes_events_when_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    def believe(self: Follower, as_of: float, last: int, now: Instant) -> None:
        self._memory.trust = Trust(now.steady + 1, now.wall + 1)
        self.alive = True

    monkeypatch.setattr(Follower, "_prove", believe)
    assert broken()


def test_the_simulation_notices_a_guard_that_keeps_answers_that_were_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Memory.remember

    def remember(self: Memory, hash_: bytes, known: Any, *, asked_at: int, epoch: str) -> None:
        kept(self, hash_, known, asked_at=self.changes, epoch=epoch)

    monkeypatch.setattr(Memory, "remember", remember)
    assert broken()


def test_the_simulation_notices_a_guard_that_never_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "forget", lambda self, hash_: None)
    assert broken()
