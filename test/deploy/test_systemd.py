"""The unit is one, and what it runs starts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from conftest import PATIENCE, ROOT, Keypin, find, seconds

UNIT = ROOT / "deploy" / "keypin.service"
INSTALLED = "/usr/local/bin/keypin"
# systemd's own measure, of 100: what is left is the network, which the service is for.
EXPOSURE = 15


@pytest.fixture
def unit(keypin: Keypin, tmp_path: Path) -> Path:
    """The unit, of a program that is here."""
    text = UNIT.read_text()
    assert text.count(f"ExecStart={INSTALLED} serve\n") == 1
    file = tmp_path / UNIT.name
    file.write_text(text.replace(f"ExecStart={INSTALLED}", f"ExecStart={keypin.binary}"))
    return file


def analyze(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find("systemd-analyze"), "--no-pager", *args], capture_output=True, text=True, timeout=PATIENCE
    )


def test_systemd_finds_no_fault_in_the_unit(unit: Path) -> None:
    verified = analyze("verify", "--man=no", unit)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_systemd_would_find_a_fault_in_the_unit(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=strikt"))
    assert "strikt" in analyze("verify", "--man=no", unit).stderr


def test_the_unit_exposes_little_by_systemds_own_measure(unit: Path) -> None:
    judged = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", unit)
    assert judged.returncode == 0, judged.stdout


def lines(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_the_service_starts_with_what_the_unit_sets(keypin: Keypin, tmp_path: Path) -> None:
    credentials, state = tmp_path / "credentials", tmp_path / "state"
    credentials.mkdir()
    (name, source) = lines("LoadCredential")[0].split(":")
    (credentials / name).write_text("log:\n  level: warn\n")
    environment = dict(v.split("=", 1) for v in lines("Environment"))
    environment = {k: v.replace("%d", str(credentials)).replace("%S", str(state)) for k, v in environment.items()}
    assert keypin.refusal(**environment) == ""
    settings = keypin.settings(**environment)
    assert settings["log.level"] == "warn"
    assert settings["data_dir"] == str(state / lines("StateDirectory")[0])
    assert seconds(lines("TimeoutStopSec")[0]) > keypin.drain(**environment) + 5
    # What the head tells to install is what the unit names.
    assert f" {source} " in UNIT.read_text() and f" {INSTALLED}\n" in UNIT.read_text()


def test_the_unit_says_each_thing_once() -> None:
    repeatable = {"Environment", "SystemCallFilter"}
    names = [line.split("=")[0] for line in UNIT.read_text().splitlines() if re.match(r"[A-Z]\w+=", line)]
    assert [n for n in set(names) if names.count(n) > 1 and n not in repeatable] == []
