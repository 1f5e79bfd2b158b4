"""Starts the real binary for the tests of this folder.

Every server has a data folder and ports of its own, listens on 127.0.0.1 only,
and must end by itself with status 0 when it is told to.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("KEYPIN_BIN", ROOT / "bin" / "keypin")).resolve()
READY_WITHIN = 30  # seconds; a loaded machine migrates slowly
STOPPED_WITHIN = 30


def pytest_configure() -> None:
    # Told to stop, end like on Ctrl-C, so that the fixtures stop their servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def binary() -> Path:
    if not BINARY.is_file():
        pytest.fail(f"{BINARY} is not there: run `make build`, or set KEYPIN_BIN", pytrace=False)
    return BINARY


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would configure a server or a client from outside."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KEYPIN_", "ONEPIN_"))}
    return {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **more}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_ready(base_url: str, alive: Callable[[], bool]) -> None:
    """Polls /ready until it answers 200; fails when the process or the time ends first."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_WITHIN
    last: object = "nothing was heard"
    while time.monotonic() < deadline:
        if not alive():
            pytest.fail(f"the server ended before {base_url}/ready answered 200")
        try:
            with opener.open(f"{base_url}/ready", timeout=2):
                return
        except (urllib.error.URLError, OSError) as fault:
            last = fault
        time.sleep(0.05)
    pytest.fail(f"{base_url}/ready did not answer 200 within {READY_WITHIN} s: {last}")


@dataclass(frozen=True)
class Server:
    """A running service and the folder that it keeps its data in."""

    binary: Path
    base_url: str
    data_dir: Path
    log: Path

    def token(self, user: str, *, org: str | None = None, role: str | None = None) -> str:
        """A session token of the local issuer for the user with that e-mail address."""
        command = [self.binary, "token", "--data-dir", self.data_dir, "--user", user, "--ttl", "1h"]
        if org is not None:
            command += ["--org", org, "--role", role or "admin"]
        made = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=30)
        assert made.returncode == 0, made.stderr
        token = made.stdout.removesuffix("\n")
        assert token.count(".") == 2 and not any(c.isspace() for c in token), "the token must be all of stdout"
        return token


@contextmanager
def serving(binary: Path, folder: Path) -> Iterator[Server]:
    listen, data_listen = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    data_dir, log = folder / "data", folder / "server.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [binary, "serve", "--listen", listen, "--data-listen", data_listen, "--data-dir", data_dir],
            env=clean_environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
        try:
            try:
                await_ready(f"http://{listen}", lambda: process.poll() is None)
            except pytest.fail.Exception as failure:
                pytest.fail(f"{failure}\n{log.read_text(errors='replace')[-4000:]}", pytrace=False)
            yield Server(binary, f"http://{listen}", data_dir, log)
            assert process.poll() is None, f"the server ended by itself:\n{log.read_text(errors='replace')[-4000:]}"
        finally:
            process.terminate()
            try:
                status = process.wait(STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                pytest.fail(f"the server did not stop within {STOPPED_WITHIN} s of SIGTERM")
        assert status == 0, f"the server ended with status {status}:\n{log.read_text(errors='replace')[-4000:]}"


@pytest.fixture(scope="module")
def server(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(binary, tmp_path_factory.mktemp("keypin")) as running:
        yield running
