"""The package is typed strictly, and reads as it should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from service import PACKAGE


@pytest.mark.parametrize(
    "command", [["ruff", "check", "--no-cache"], ["ruff", "format", "--check", "--no-cache"], ["mypy"]], ids=" ".join
)
def test_a_checker_finds_nothing(command: list[str], tmp_path: Path) -> None:
    cache = [f"--cache-dir={tmp_path}"] if command[0] == "mypy" else ["."]
    checked = subprocess.run([sys.executable, "-m", *command, *cache], cwd=PACKAGE, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_exception_from_a_checker_has_its_reason() -> None:
    bare = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b(?![^#\n]*#)")
    for file in PACKAGE.rglob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert not bare.search(line), f"{file}: {line.strip()}"


def test_no_file_is_too_long() -> None:
    for file in PACKAGE.rglob("*.py"):
        if file.name != "_models.py":  # generated
            assert len(file.read_text(encoding="utf-8").splitlines()) < 500, file
