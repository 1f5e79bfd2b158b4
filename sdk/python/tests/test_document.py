"""The package and api/openapi.json say the same."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from keypin import AsyncKeypin, Keypin
from keypin.types import ApiKey, CreatedApiKey, WorkspaceUsage
from operations import CALLS
from service import PACKAGE, ROOT
from test_secret import CREATED

DOCUMENT = json.loads((ROOT / "api" / "openapi.json").read_text())

HEADERS = {"X-Workspace-Id": "workspace_id", "If-Match": "if_match", "Idempotency-Key": "idempotency_key"}
# A client sends its workspace with these; a call has no need to name another one.
NOT_NAMED = {"list-workspaces", "create-workspace", "slug-available"}
OWN = {"extra_headers", "timeout"}

OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation for methods in DOCUMENT["paths"].values() for operation in methods.values()
}


@pytest.mark.parametrize("script", ["generate_models.py", "generate_sync.py"])
def test_what_is_generated_is_current(script: str) -> None:
    checked = subprocess.run([sys.executable, PACKAGE / "scripts" / script, "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_every_operation_is_a_call() -> None:
    assert set(CALLS) == set(OPERATIONS)


def method(client: Keypin | AsyncKeypin, operation: str) -> Callable[..., Any]:
    found: Any = client
    for name in CALLS[operation].split("."):
        found = getattr(found, name)
    call: Callable[..., Any] = found
    return call


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("kind", [Keypin, AsyncKeypin])
def test_a_call_takes_what_its_operation_takes(operation: str, kind: type[Keypin] | type[AsyncKeypin]) -> None:
    described = OPERATIONS[operation]
    taken = {HEADERS.get(p["name"], p["name"]) for p in described.get("parameters", [])}
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        taken |= set(DOCUMENT["components"]["schemas"][body["$ref"].rsplit("/", 1)[1]]["properties"])
    if operation in NOT_NAMED:
        taken.discard("workspace_id")
    given = inspect.signature(method(kind(base_url="http://127.0.0.1:1"), operation)).parameters
    assert {name.rstrip("_") for name in given} - OWN == taken
    assert set(given) >= OWN


@pytest.mark.parametrize("operation", CALLS)
def test_every_call_has_a_raw_twin(operation: str) -> None:
    group, _, name = CALLS[operation].rpartition(".")
    client: Any = Keypin(base_url="http://127.0.0.1:1")
    raw = client.with_raw_response
    for part in group.split("."):
        raw = getattr(raw, part)
    assert inspect.signature(getattr(raw, name)) == inspect.signature(method(client, operation))


def test_unknown_fields_are_kept() -> None:
    key = ApiKey.model_validate({**CREATED, "colour": "green"})
    assert key.model_extra is not None
    assert key.model_extra["colour"] == "green"
    assert json.loads(key.model_dump_json())["colour"] == "green"


def test_a_value_of_a_later_version_is_not_refused() -> None:
    assert ApiKey.model_validate({**CREATED, "key_type": "quantum"}).key_type == "quantum"


def test_what_an_older_service_does_not_answer_is_none() -> None:
    older = {name: value for name, value in CREATED.items() if name not in {"rotated_from", "expires_at"}}
    assert ApiKey.model_validate(older).rotated_from is None


def test_an_answer_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(ApiKey.model_validate(CREATED), "name", "x")  # noqa: B010  # the checker of types would refuse the other way


def test_a_created_key_is_a_key() -> None:
    assert issubclass(CreatedApiKey, ApiKey)


def test_a_python_keyword_has_an_underscore() -> None:
    report = WorkspaceUsage.model_validate(
        {
            "from": "2026-01-15T09:00:00Z",
            "to": "2026-01-15T10:00:00Z",
            "granularity": "hour",
            "totals": {},
            "points": [],
            "top_keys": [],
        }
    )
    assert report.from_.hour == 9
    assert report.model_dump(by_alias=True)["from"] == report.from_
