"""Starts the real binary, and stands in for networks that misbehave."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = Path(__file__).resolve().parents[1]
BINARY = Path(os.environ.get("KEYPIN_BIN", ROOT / "bin" / "keypin")).resolve()
READY_WITHIN = 30  # seconds; a loaded machine migrates slowly


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would configure a server or a client from outside."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KEYPIN_", "ONEPIN_", "PYTHON"))}
    return {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **more}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def eventually(true: Callable[[], bool], what: str, within: float = 10) -> None:
    """Polls until it is true; fails when that takes too long."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {within} s"
        time.sleep(0.01)


def answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


@dataclass(frozen=True)
class Service:
    """A running service with a data folder and ports of its own."""

    base_url: str
    data_url: str
    folder: Path

    def token(self, user: str = "ada@example.com") -> str:
        """A session token of the local issuer for the user with that address."""
        command = [str(BINARY), "token", "--data-dir", str(self.folder / "data"), "--user", user, "--ttl", "1h"]
        made = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=30)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[Service]:
    assert BINARY.is_file(), f"{BINARY} is not there: run `make build`, or set KEYPIN_BIN"
    listen, data_listen = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    log = folder / "server.log"
    data = str(folder / "data")
    command = [str(BINARY), "serve", "--listen", listen, "--data-listen", data_listen, "--data-dir", data, *more]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, env=clean_environment(), cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    try:
        eventually(
            lambda: process.poll() is not None or answers(f"http://{listen}/ready"),
            "the service is ready",
            READY_WITHIN,
        )
        assert process.poll() is None, log.read_text(errors="replace")[-4000:]
        yield Service(f"http://{listen}", f"http://{data_listen}", folder)
    finally:
        process.terminate()
        assert process.wait(30) == 0, log.read_text(errors="replace")[-4000:]


@dataclass
class Relay:
    """Passes connections on to a service, until it is told to misbehave."""

    target: str  # host:port
    drop_answers: int = 0
    """How many answers, from the next one on, are read and thrown away with their connection."""

    stalled: threading.Event = field(default_factory=threading.Event)
    """While set, what the service says is held back."""

    refused: threading.Event = field(default_factory=threading.Event)
    """While set, connections are closed as they come."""

    requests: list[bytes] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def listening(self) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            self.refused.set()
            self.cut()

    def cut(self) -> None:
        """Breaks every connection that there is."""
        with self._lock:
            broken, self._open[:] = list(self._open), []
        for s in broken:
            _shut(s)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            if self.refused.is_set():
                near.close()
                continue
            host, port = self.target.rsplit(":", 1)
            far = socket.create_connection((host, int(port)))
            with self._lock:
                self._open += [near, far]
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()
            threading.Thread(target=self._pass_back, args=(far, near), daemon=True).start()

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        try:
            while part := near.recv(65536):
                self.requests.append(part)
                far.sendall(part)
        except OSError:
            pass
        _shut(near)
        _shut(far)

    def _pass_back(self, far: socket.socket, near: socket.socket) -> None:
        try:
            while part := far.recv(65536):
                if self.drop_answers > 0:
                    self.drop_answers -= 1
                    break
                while self.stalled.is_set():
                    time.sleep(0.01)
                near.sendall(part)
        except OSError:
            pass
        _shut(near)
        _shut(far)


def _shut(s: socket.socket) -> None:
    with suppress(OSError):  # the other side did
        s.shutdown(socket.SHUT_RDWR)
    s.close()


class Scripted:
    """A server that answers each request by the next line of a script."""

    def __init__(self, *script: Callable[[socket.socket], None]) -> None:
        self._script = list(script)
        self.requests: list[str] = []
        """The heads of the requests that came."""

    @contextmanager
    def listening(self) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"

    def _serve(self, listener: socket.socket) -> None:
        while self._script:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            with s:
                try:
                    self._read(s)
                    self._script.pop(0)(s)
                except OSError:
                    pass  # the client went away, which some scripts want

    def _read(self, s: socket.socket) -> None:
        text = b""
        while b"\r\n\r\n" not in text:
            text += s.recv(65536)
        head, _, body = text.partition(b"\r\n\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += s.recv(65536)
        self.requests.append(head.decode())


def answering(status: int, body: str, *headers: str) -> Callable[[socket.socket], None]:
    def answer(s: socket.socket) -> None:
        lines = [
            f"HTTP/1.1 {status} X",
            "Content-Type: application/json",
            f"Content-Length: {len(body.encode())}",
            "Connection: close",
            *headers,
        ]
        s.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    return answer
