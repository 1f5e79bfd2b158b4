"""The published client works unmodified: the newest `onepin` before 0.8, which
dropped the key calls, installed from PyPI into a throwaway environment."""

from __future__ import annotations

import json
import subprocess
import urllib.request
import venv
from pathlib import Path

import pytest
from conftest import Server, clean_environment

DRIVER = Path(__file__).with_name("drive_onepin.py")
REQUIREMENT = "onepin>=0.7,<0.8"


@pytest.fixture(scope="module")
def onepin_bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the published package only."""
    home = tmp_path_factory.mktemp("onepin") / "venv"
    venv.create(home, with_pip=True)
    installed = subprocess.run(
        [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert installed.returncode == 0, installed.stderr
    return home / "bin"


@pytest.mark.parametrize("client", ["sync", "async"])
def test_every_call_answers_as_documented(client: str, server: Server, onepin_bin: Path) -> None:
    # Users of their own, so that the two runs do not meet in one workspace.
    given = {
        "base_url": server.base_url,
        "client": client,
        "admin_email": f"admin-{client}@example.com",
        "invited_email": f"invited-{client}@example.com",
        "admin": server.token(f"admin-{client}@example.com"),
        "invited": server.token(f"invited-{client}@example.com"),
        "outsider": server.token(f"outsider-{client}@example.com"),
    }
    driven = subprocess.run(
        [onepin_bin / "python", "-I", DRIVER],
        input=json.dumps(given),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert driven.returncode == 0, f"{driven.stdout}{driven.stderr}"


class CommandLine:
    """The package's own command line with a home folder of its own."""

    def __init__(self, bin_folder: Path, home: Path) -> None:
        self.program = bin_folder / "onepin"
        self.environment = clean_environment(HOME=str(home), NO_COLOR="1")
        self.home = home

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def __call__(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, f"onepin {arguments[0]}: {done.stdout}{done.stderr}"
        return done.stdout


def create_key(server: Server, **body: object) -> dict[str, object]:
    request = urllib.request.Request(
        f"{server.base_url}/api/v1/api-keys",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {server.token('cli@example.com')}",
            "Content-Type": "application/json",
        },
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        assert answer.status == 201
        return json.load(answer)["data"]


@pytest.fixture(scope="module")
def logged_in(
    server: Server, onepin_bin: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[CommandLine, dict[str, object]]:
    key = create_key(server, name="command line", scopes=["workspace:read", "voices:read"])
    onepin = CommandLine(onepin_bin, tmp_path_factory.mktemp("home"))
    said = onepin("login", "--key", str(key["api_key"]), "--base-url", server.base_url)
    assert "Logged in" in said and str(key["workspace_id"]) in said and "voices:read, workspace:read" in said
    return onepin, key


def test_whoami_shows_the_key_that_logged_in(logged_in: tuple[CommandLine, dict[str, object]], server: Server) -> None:
    onepin, key = logged_in
    said = onepin("whoami")
    assert (
        "Auth: api_key" in said
        and f"Base URL: {server.base_url}" in said
        and f"Workspace: {key['workspace_id']}" in said
    )
    me = json.loads(onepin("--json", "whoami"))
    assert me["api_key_id"] == key["id"] and me["scopes"] == ["voices:read", "workspace:read"]


def test_workspaces_and_members_are_listed(logged_in: tuple[CommandLine, dict[str, object]]) -> None:
    onepin, key = logged_in
    workspace = str(key["workspace_id"])
    assert workspace in onepin("workspace", "list")
    assert [w["id"] for w in json.loads(onepin("workspace", "list", "--json"))] == [workspace]
    assert [w["id"] for w in json.loads(onepin("--json", "workspace", "list"))] == [workspace]
    assert "cli@example.com" in onepin("workspace", "members", "list", workspace)
    members = json.loads(onepin("workspace", "members", "list", workspace, "--json"))
    assert [(m["email"], m["role"]) for m in members] == [("cli@example.com", "admin")]


@pytest.mark.parametrize("probe", ["live", "ready"])
def test_health_is_reported(probe: str, logged_in: tuple[CommandLine, dict[str, object]]) -> None:
    onepin, _ = logged_in
    assert "status: ok" in onepin("health", probe)
    for arguments in (("--json", "health", probe), ("health", probe, "--json")):
        report = json.loads(onepin(*arguments))
        assert report["status"] == "ok" and report["api_version"]


def test_a_wrong_key_cannot_log_in(server: Server, onepin_bin: Path, tmp_path: Path) -> None:
    onepin = CommandLine(onepin_bin, tmp_path)
    refused = onepin.run("login", "--key", "op_live_0000000000000000000000000009BlC0", "--base-url", server.base_url)
    assert refused.returncode == 1 and "INVALID_API_KEY" in refused.stderr
    assert not (tmp_path / ".onepin" / "credentials").exists()


def test_the_package_is_the_published_one(onepin_bin: Path) -> None:
    said = subprocess.run([onepin_bin / "onepin", "--version"], capture_output=True, text=True, timeout=60)
    assert said.stdout.startswith("onepin 0.7."), said.stdout + said.stderr
