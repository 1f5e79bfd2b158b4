"""What the tests of this folder share: the binary, and what it says of a configuration."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("KEYPIN_BIN", ROOT / "bin" / "keypin")).resolve()
PATIENCE = 30  # seconds; bounds every wait


def find(program: str) -> str:
    """The program's path, also of one for administrators."""
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert path, f"{program} is not there: run ./scripts/install.sh"
    return path


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def seconds(duration: str) -> float:
    """A duration as Go, Compose and systemd write it: 1m30s."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", duration)
    assert parts and "".join(n + u for n, u in parts) == duration, duration
    return sum(float(n) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[u] for n, u in parts)


def docker_environment() -> dict[str, str]:
    """What ENV sets in the image."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = re.findall(r"^ENV (.+)$", text, re.MULTILINE)
    assert lines, "the Dockerfile sets nothing"
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


@dataclass(frozen=True)
class Keypin:
    """The program, asked about a configuration; it opens nothing but the file."""

    binary: Path

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("KEYPIN_")}
        return subprocess.run(
            [self.binary, *args], env={**kept, **environment}, capture_output=True, text=True, timeout=PATIENCE
        )

    def refusal(self, *args: str, **environment: str) -> str:
        """What is wrong with the configuration, "" when nothing is."""
        return self.run("config", "check", *args, **environment).stderr

    def settings(self, *args: str, **environment: str) -> dict[str, str]:
        """Every setting in effect, with secrets masked."""
        printed = self.run("config", "print", *args, **environment)
        assert printed.returncode == 0, printed.stderr
        found = re.findall(r"^([a-z_.]+) = (.*)  \(source: .*\)$", printed.stdout, re.MULTILINE)
        assert len(found) > 10, printed.stdout
        return dict(found)

    def drain(self, *args: str, **environment: str) -> float:
        """How many seconds a stop may take."""
        s = self.settings(*args, **environment)
        return seconds(s["shutdown.delay"]) + seconds(s["shutdown.grace"])


@pytest.fixture(scope="session")
def keypin() -> Keypin:
    if not BINARY.is_file():
        pytest.fail(f"{BINARY} is not there: run `make build`, or set KEYPIN_BIN", pytrace=False)
    return Keypin(BINARY)


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a program that is told to stop, and must, when the test ends."""

    def run(*args: Any, **how: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(args, stdin=subprocess.DEVNULL, **how)

        def stop() -> None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                pytest.fail(f"{args[0]} did not stop within {PATIENCE} s of SIGTERM")

        request.addfinalizer(stop)
        return process

    return run
