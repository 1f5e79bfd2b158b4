from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import time
from collections.abc import Callable

import httpx
import pytest

from keypin import AsyncKeypin, InvalidArgumentError, Keypin
from service import Service


def test_a_thousand_asynchronous_calls_at_once(service: Service, client: Keypin) -> None:
    keys = [client.api_keys.create(name=f"at once {n}") for n in range(10)]

    async def run() -> list[str]:
        async with AsyncKeypin(base_url=service.base_url, token=service.token(), max_retries=0) as many:
            found = await asyncio.gather(*(many.api_keys.get(keys[n % 10].id) for n in range(1000)))
            return [key.id for key in found]

    began = time.monotonic()
    assert asyncio.run(run()) == [keys[n % 10].id for n in range(1000)]
    assert time.monotonic() - began < 30


def in_child(do: Callable[[], None]) -> int:
    """Runs it in a forked child and returns the child's status."""
    child = os.fork()
    if child == 0:
        try:
            do()
        except BaseException as fault:
            sys.stderr.write(repr(fault))
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_client_works_on_both_sides_of_a_fork(service: Service) -> None:
    with Keypin(base_url=service.base_url, token=service.token()) as client:
        mine = client.api_keys.create(name="of the parent")
        for _ in range(3):

            def work() -> None:
                for _ in range(20):
                    assert client.api_keys.get(mine.id).id == mine.id

            assert in_child(work) == 0
            work()
        assert len(client._transport.connections._own) == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_parent_and_child_that_call_at_once_get_their_own_answers(service: Service, client: Keypin) -> None:
    """On a shared connection each would read what the other asked for."""
    keys = [client.api_keys.create(name=f"of process {n}") for n in range(3)]
    context = multiprocessing.get_context("fork")
    failed = context.Queue()

    def work(n: int) -> None:
        for _ in range(50):
            if client.api_keys.get(keys[n].id).name != f"of process {n}":
                failed.put(n)
                return

    children = [context.Process(target=work, args=(n,)) for n in (1, 2)]
    for child in children:
        child.start()
    work(0)
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert failed.empty()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_client_of_ones_own_that_was_used_is_refused_in_a_child(service: Service) -> None:
    own = httpx.Client()
    client = Keypin(base_url=service.base_url, http_client=own)

    def refused() -> None:
        with pytest.raises(InvalidArgumentError, match="forked"):
            client.health.live()

    def check(one: Keypin) -> None:
        assert one.health.live().status == "ok"

    fresh = Keypin(base_url=service.base_url, http_client=httpx.Client())
    assert in_child(lambda: check(fresh)) == 0
    check(client)
    assert in_child(refused) == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_asynchronous_client_works_in_a_child(service: Service) -> None:
    client = AsyncKeypin(base_url=service.base_url)

    def work() -> None:
        async def run() -> None:
            assert (await client.health.live()).status == "ok"

        asyncio.run(run())

    work()
    assert in_child(work) == 0
