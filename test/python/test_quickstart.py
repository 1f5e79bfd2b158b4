"""What `make run` tells a newcomer to paste works as it is printed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, STOPPED_WITHIN, await_ready, clean_environment, free_port

TOLD_WITHIN = 60  # seconds from the start to the last line to paste


class Run:
    """scripts/run.sh in a terminal of its own, with what it prints."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.listen = environment["KEYPIN_LISTEN"]
        # Its own session: like the terminal's Ctrl-C, the end must reach all of it.
        self.process = subprocess.Popen(
            [ROOT / "scripts" / "run.sh"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.printed: list[str] = []
        self.told = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)
            if len(commands("".join(self.printed))) >= 4:
                self.told.set()
        self.told.set()

    def stop(self) -> int:
        try:
            self.process.send_signal(signal.SIGTERM)
            return self.process.wait(STOPPED_WITHIN)
        finally:
            self._end_session()
            self._reader.join(5)

    def _end_session(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # nothing is left, as it should be


def commands(text: str) -> list[str]:
    """The lines to paste, each with the lines that continue it."""
    joined = re.sub(r"\\\n\s*", "", text)
    found = [line.strip() for line in joined.splitlines()]
    return [line for line in found if re.match(r"(export [A-Za-z_]+=|[A-Za-z_]+=\$\(curl |curl )", line)]


@pytest.fixture(scope="module")
def run(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Path]]:
    folder = tmp_path_factory.mktemp("quickstart")
    started = Run(
        clean_environment(
            KEYPIN_LISTEN=f"127.0.0.1:{free_port()}",
            KEYPIN_DATA_LISTEN=f"127.0.0.1:{free_port()}",
            KEYPIN_DATA_DIR=str(folder / "data"),
        )
    )
    try:
        await_ready(f"http://{started.listen}", lambda: started.process.poll() is None)
        assert started.told.wait(TOLD_WITHIN), "".join(started.printed)
        yield started, folder
    finally:
        status = started.stop()
    assert status == 0, f"run.sh ended with {status}:\n{''.join(started.printed)}"


def test_the_printed_lines_create_verify_and_rotate_a_key(run: tuple[Run, Path]) -> None:
    started, folder = run
    lines = commands("".join(started.printed))
    assert len([line for line in lines if "curl " in line]) == 3, "".join(started.printed)

    # One shell runs them in order, as pasting does; a mark tells their answers apart.
    mark = "-- the next answer --"
    script = "".join(f"{line}\necho; echo '{mark}'\n" for line in lines)
    pasted = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=60
    )
    assert pasted.returncode == 0, pasted.stdout + pasted.stderr
    answers = [json.loads(part) for part in pasted.stdout.split(mark) if part.strip().startswith("{")]
    created, verified, rotated = (answer["data"] for answer in answers)

    assert created["api_key"].startswith("op_") and created["active"] is True
    assert verified["valid"] is True and verified["code"] == "valid" and verified["api_key"]["id"] == created["id"]
    assert rotated["old_key"]["id"] == created["id"] and rotated["old_key"]["active"] is False
    assert rotated["new_key"]["api_key"] != created["api_key"]


def test_the_readme_shows_the_same_lines(run: tuple[Run, Path]) -> None:
    started, _ = run
    printed = [line for line in commands("".join(started.printed)) if line.startswith("curl ")]
    shown = [line for line in commands((ROOT / "README.md").read_text()) if line.startswith("curl ")]
    assert shown == [line.replace(started.listen, "127.0.0.1:8080") for line in printed]
