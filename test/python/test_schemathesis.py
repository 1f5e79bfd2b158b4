"""schemathesis against the running service and its own /openapi.json: every check
and every phase, as an admin who has a session token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Server, clean_environment, serving

HERE = Path(__file__).parent
SEED = os.environ.get("KEYPIN_SCHEMATHESIS_SEED", "20260214")
EXAMPLES = os.environ.get("KEYPIN_SCHEMATHESIS_EXAMPLES", "100")  # for each operation and phase
WITHIN = 600  # seconds; it takes one or two minutes


@pytest.fixture
def server(binary: Path, tmp_path: Path) -> Iterator[Server]:
    """A service for each run: what one run made would get in the way of the next."""
    with serving(binary, tmp_path) as running:
        yield running


def schemathesis(server: Server, folder: Path, *arguments: str) -> None:
    """Runs it as ada, beside grace; fails with what it printed."""
    users = folder / "users.json"
    users.write_text(json.dumps({"auth": [signed_in(server, name) for name in ("ada", "grace")]}))
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", HERE / "schemathesis.toml", "run"),
        *("--seed", SEED, "--max-examples", EXAMPLES, "--checks", "all"),
        *arguments,
        f"{server.base_url}/openapi.json",
    ]
    print(f"seed {SEED}, {EXAMPLES} examples; KEYPIN_SCHEMATHESIS_SEED and _EXAMPLES change them")
    run = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(
            KEYPIN_TEST_USERS=str(users),
            KEYPIN_TEST_HOOKS=str(HERE / "schemathesis_hooks.py"),
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WITHIN,
    )
    assert run.returncode == 0, f"seed {SEED}\n{run.stdout}"
    print(run.stdout)
    assert "panic" not in server.log.read_text(), "the log tells of a panic"


def signed_in(server: Server, name: str) -> dict[str, object]:
    bearer = f"Bearer {server.token(f'{name}@example.com')}"
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": bearer}]}


def test_the_service_does_what_its_description_says(server: Server, tmp_path: Path) -> None:
    schemathesis(server, tmp_path)


def test_chains_of_calls_on_one_key_do_too(server: Server, tmp_path: Path) -> None:
    # Among all operations the chains seldom begin with a new key; alone they all do.
    schemathesis(server, tmp_path, "--phases", "stateful", "--include-path-regex", "^/api/v1/api-keys")
