"""Nothing that is written for operators names what is not there."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import ROOT, Keypin

# Variables of the program that are no settings, and of its client.
OTHERS = {"KEYPIN_CONFIG", "KEYPIN_TOKEN"}
# Names of roles in PostgreSQL, which look like metrics.
ROLES = {"keypin_owner", "keypin_a"}


def files() -> list[Path]:
    found = [p for p in ROOT.glob("deploy/**/*") if p.is_file() and p.name not in {".env", "secret.yaml"}]
    assert len(found) > 10
    return [ROOT / "Dockerfile", ROOT / "docs" / "operations.md", *found]


def test_every_variable_that_is_named_is_a_setting(keypin: Keypin) -> None:
    known = {"KEYPIN_" + name.upper().replace(".", "_") for name in keypin.settings()} | OTHERS
    for file in files():
        named = set(re.findall(r"\bKEYPIN_[A-Z_]+\b", file.read_text()))
        assert named <= known, file.relative_to(ROOT)


def test_every_setting_that_the_page_names_is_one(keypin: Keypin) -> None:
    known = set(keypin.settings())
    sections = {name.split(".")[0] for name in known if "." in name}
    page = (ROOT / "docs" / "operations.md").read_text()
    quoted = re.findall(r"`([a-z_]+(?:\.[a-z_]+)*)(?:: [^`]*)?`", page)
    assert len(quoted) > 10
    # With a dot and one of our sections before it, a name can be nothing but a setting.
    for name in quoted:
        if name.split(".")[0] in sections and "." in name:
            assert name in known, name
    for name in ("database", "database_listen", "redis", "data_token", "data_listen", "rate_limits_without_redis"):
        assert name in known, name
        assert name in quoted, name


def test_every_command_that_the_page_names_is_one(keypin: Keypin) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    commands = set(re.findall(r"`keypin ([a-z]+)", page)) | set(re.findall(r"^ *keypin ([a-z]+)", page, re.MULTILINE))
    assert commands
    for command in commands:
        assert keypin.run(command, "--help").returncode == 0, command


def test_every_metric_that_the_page_names_is_one() -> None:
    sources = "".join(p.read_text() for p in (ROOT / "internal" / "telemetry").glob("*.go"))
    named = set(re.findall(r"`(keypin_[a-z_]+)`", (ROOT / "docs" / "operations.md").read_text())) - ROLES
    assert named
    for name in named:
        assert f'"{name}"' in sources, name


def test_the_image_ignores_what_git_ignores_and_nothing_that_it_tracks() -> None:
    ignored = {line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"}
    for source, below in ((".gitignore", ""), ("deploy/.gitignore", "/deploy")):
        for line in (ROOT / source).read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            pattern = line.rstrip("/")
            assert (below + pattern if pattern.startswith("/") else f"**/{pattern}") in ignored, f"{source}: {line}"


def test_there_is_no_secret_beside_the_files() -> None:
    for file in files():
        assert not re.search(r"[0-9a-f]{32}", file.read_text()), f"{file.relative_to(ROOT)} holds what looks like one"
