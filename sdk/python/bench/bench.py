"""Measures the package beside bare httpx and the published onepin, and writes the SDK's part of docs/benchmarks.md.

    make bench-sdk                      # or python sdk/python/bench/bench.py [--turns N] [--print]

What is compared is done turn by turn in one run, every other turn in reverse order. A figure
is the median of the turns, a ratio the median of the ratios within a turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent / "tests")]

import httpx  # noqa: E402  # after the path
import onepin  # noqa: E402  # after the path
from page import Machine, Row, rewrite, table  # noqa: E402  # after the path

from keypin import AsyncKeypin, Keypin  # noqa: E402  # after the path
from service import Service, serving  # noqa: E402  # after the path

PAGE = HERE.parents[2] / "docs" / "benchmarks.md"
COMMAND = "make bench-sdk"
CALLS = 100  # in one turn
IMPORTS = {
    "the package": ("import keypin", "import onepin"),
    "the client, made": (
        "from keypin import Keypin; Keypin(base_url='http://127.0.0.1:1', token='x')",
        "from onepin import OnePinClient; OnePinClient(base_url='http://127.0.0.1:1', token='x')",
    ),
    "the client and a key's model": (
        "from keypin import Keypin; from keypin.types import ApiKey; Keypin(base_url='http://127.0.0.1:1').api_keys",
        "from onepin import ApiKeyOut, OnePinClient; OnePinClient(base_url='http://127.0.0.1:1', token='x').api_keys",
    ),
}

Times = dict[str, list[float]]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--turns", type=int, default=41)
    options.add_argument("--print", action="store_true", help="print the part of the page, do not write it")
    given = options.parse_args()
    machine = Machine()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as service:
        rows = [*imports(given.turns), *calls(service, given.turns), *asyncio.run(async_calls(service, given.turns))]
    text = machine.heading(COMMAND, f"httpx {httpx.__version__}; onepin {version('onepin')}") + "\n" + table(rows)
    if given.print:
        print(text)
    else:
        rewrite(PAGE, COMMAND, text)
        print(f"{PAGE.name} is written:\n\n{text}")


def turns(number: int, what: dict[str, Callable[[], None]]) -> Times:
    """Seconds of each, turn by turn."""
    times: Times = {name: [] for name in what}
    for do in what.values():
        do()  # what only the first time takes
    for turn in range(number):
        for name in list(what) if turn % 2 else reversed(what):
            began = time.perf_counter()
            what[name]()
            times[name].append(time.perf_counter() - began)
    return times


def imports(number: int) -> list[Row]:
    rows = []
    for what, (ours, theirs) in IMPORTS.items():
        times = turns(number, {"keypin": importing(ours), "onepin": importing(theirs)})
        rows.append(row(f"import of {what}", times, "onepin", 1.0, 1))
    return rows


def importing(statement: str) -> Callable[[], None]:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(HERE.parent / 'src')!r}); {statement}"]

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return run


def calls(service: Service, number: int) -> list[Row]:
    token = service.token()
    ours = Keypin(base_url=service.base_url, token=token)
    theirs = onepin.OnePinClient(base_url=service.base_url, token=token)
    bare = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30)
    key = ours.api_keys.create(name="measured", scopes=["workflows:read"])
    for n in range(49):
        ours.api_keys.create(name=f"listed {n}")
    url = f"{service.base_url}/api/v1/api-keys"
    body = {"key": key.api_key.reveal(), "scopes": ["workflows:read"]}
    rows = []
    for what, done in {
        "get": {
            "keypin": lambda: ours.api_keys.get(key.id),
            "bare httpx": lambda: bare.get(f"{url}/{key.id}").json(),
            "onepin": lambda: theirs.api_keys.get_api_key(key.id),
        },
        "list of 50": {
            "keypin": lambda: ours.api_keys.list(),
            "bare httpx": lambda: bare.get(url).json(),
            "onepin": lambda: theirs.api_keys.list_api_keys(),
        },
        "update": {
            "keypin": lambda: ours.api_keys.update(key.id, name="measured"),
            "bare httpx": lambda: bare.patch(f"{url}/{key.id}", json={"name": "measured"}).json(),
            "onepin": lambda: theirs.api_keys.update_api_key(key.id, name="measured"),
        },
        "verify": {
            "keypin": lambda: ours.api_keys.verify(key.api_key, scopes=["workflows:read"]),
            "bare httpx": lambda: bare.post(f"{url}/verify", json=body).json(),
        },
    }.items():
        times = turns(number, {name: repeated(do) for name, do in done.items()})
        rows += [row(what, times, "bare httpx", 1.3, CALLS)]
        rows += [row(what, times, "onepin", 1.0, CALLS)] if "onepin" in times else []
    return rows


def repeated(do: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        for _ in range(CALLS):
            do()

    return run


async def async_calls(service: Service, number: int) -> list[Row]:
    token = service.token()
    theirs = onepin.AsyncOnePinClient(base_url=service.base_url, token=token)
    async with (
        AsyncKeypin(base_url=service.base_url, token=token) as ours,
        httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as bare,
    ):
        key = (await ours.api_keys.create(name="measured")).id

        async def plain() -> object:
            return json.loads((await bare.get(f"{service.base_url}/api/v1/api-keys/{key}")).content)

        done: dict[str, Callable[[], Awaitable[object]]] = {
            "keypin": lambda: ours.api_keys.get(key),
            "bare httpx": plain,
            "onepin": lambda: theirs.api_keys.get_api_key(key),
        }
        times: Times = {name: [] for name in done}
        for turn in range(-1, number):
            for name in list(done) if turn % 2 else reversed(done):
                began = time.perf_counter()
                for _ in range(CALLS):
                    await done[name]()
                if turn >= 0:  # the one before opens the connections
                    times[name].append(time.perf_counter() - began)
    return [
        row("get, asynchronous", times, "bare httpx", 1.3, CALLS),
        row("get, asynchronous", times, "onepin", 1.0, CALLS),
    ]


def row(what: str, times: Times, against: str, aim: float, calls: int) -> Row:
    ratios = [a / b for a, b in zip(times["keypin"], times[against], strict=True)]
    ours, theirs = (1000 * median(times[name]) / calls for name in ("keypin", against))
    return Row(what, f"{ours:.3g} ms", f"{against}: {theirs:.3g} ms", median(ratios), min(ratios), max(ratios), aim)


if __name__ == "__main__":
    main()
