"""What schemathesis cannot read out of the API's description, because the description
says it in words: which answer leads to which request, that times lie in the future,
that a header is new for each change, that a key is deleted by revoking it.

Of requests, only those that are meant to be right are touched."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import strategies as st

# A time that is later than the request, however long the run takes.
future_times = st.datetimes(
    min_value=(datetime.now(UTC) + timedelta(days=1)).replace(tzinfo=None),
    max_value=datetime(2200, 1, 1),
    timezones=st.just(UTC),
).map(lambda t: t.isoformat().replace("+00:00", "Z"))

# An address, or a range without bits set beyond its length.
addresses = st.ip_addresses().filter(lambda a: a.version == 4 or (a.ipv4_mapped is None and a.scope_id is None))
ranges = addresses.flatmap(
    lambda a: st.integers(0, a.max_prefixlen).map(lambda n: str(ipaddress.ip_network((a, n), strict=False)))
).filter(lambda r: not r.startswith("::ffff:"))

# Every time that the API takes is an expiry, which lies ahead, but those of usage.
schemathesis.openapi.format("date-time", future_times)
schemathesis.openapi.format("ip-range", addresses.map(str) | ranges)

# Which ids of an answer name the thing of another request, for the stateful phase.
_workspace = {"header.X-Workspace-Id": "$response.body#/data/id"}
_key = {"path.key_id": "$response.body#/data/id", "header.X-Workspace-Id": "$response.body#/data/workspace_id"}
_new_key = {
    "path.key_id": "$response.body#/data/new_key/id",
    "header.X-Workspace-Id": "$response.body#/data/new_key/workspace_id",
}
_invite = {"path.workspace_id": "$request.path.workspace_id", "path.invite_id": "$response.body#/data/id"}
_member = {"path.workspace_id": "$request.path.workspace_id", "path.member_id": "$response.body#/data/0/id"}
KEY_REQUESTS = ("get-api-key", "get-api-key-usage", "update-api-key", "rotate-api-key", "delete-api-key")
LINKS = {
    ("create-workspace", "201"): dict.fromkeys(("create-api-key", "list-api-keys", "whoami"), _workspace),
    ("create-api-key", "201"): dict.fromkeys(KEY_REQUESTS, _key),
    ("update-api-key", "200"): dict.fromkeys(KEY_REQUESTS, _key),
    ("delete-api-key", "200"): dict.fromkeys(KEY_REQUESTS, _key),
    ("rotate-api-key", "200"): dict.fromkeys(KEY_REQUESTS, _new_key),
    ("create-invite", "201"): {
        "update-invite": _invite,
        "revoke-invite": _invite,
        "accept-invite": {"path.token": "$response.body#/data/token"},
    },
    ("list-members", "200"): dict.fromkeys(("update-member", "remove-member"), _member),
}


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Adds the links."""
    operations = {o["operationId"]: o for methods in raw_schema["paths"].values() for o in methods.values()}
    for (source, status), targets in LINKS.items():
        links = operations[source]["responses"][status].setdefault("links", {})
        for target, parameters in targets.items():
            assert target in operations
            links[target] = {"operationId": target, "parameters": parameters}
    plaintext = {"operationId": "verify-api-key", "requestBody": {"key": "$response.body#/data/api_key"}}
    operations["create-api-key"]["responses"]["201"]["links"]["verify-api-key"] = plaintext


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """A deleted key stays readable as what it is: revoked, and its usage stays too.
    Anything else that is told of it after that is a failure."""
    if failure.code != "ST301" or "/api-keys/" not in failure.free:
        return True
    key = response.json()["data"]
    if case.operation.path.endswith("/usage"):
        return "totals" not in key
    return key.get("active") is not False or key.get("revoked_at") is None


_serial = itertools.count(1)
_used: set[str] = set()
_read_only: set[str] = set()


def _is_past(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)) <= datetime.now(UTC)
    except (ValueError, TypeError):  # no time, or one without a zone: not ours to judge
        return False


def _key_of(case: Any) -> str:
    return str((case.path_parameters or {}).get("key_id", ""))


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Remembers which keys are read-only."""
    if response.headers.get("content-type", [""])[0].startswith("application/json"):
        _read_only.update(_read_only_keys(response.json()))


def _read_only_keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value.get("key_type") == "read-only":
        yield str(value["id"])
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _read_only_keys(part)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Mends what the state of the run makes wrong in a request meant to be right."""
    if case.meta is not None and case.meta.generation.mode.is_positive:
        _mend(case)
    if key := (case.headers or {}).get("Idempotency-Key"):
        _used.add(str(key))


def _mend(case: Any) -> None:
    # Usage is told of times that are kept. Two that are, and their order, are the clock's.
    if case.operation.path.endswith("/usage"):
        for name, ago in (("from", 30), ("to", 0)):
            if name in (case.query or {}):
                case.query[name] = (datetime.now(UTC) - timedelta(minutes=ago)).isoformat().replace("+00:00", "Z")
    body = case.body if isinstance(case.body, dict) else {}
    # Times of earlier answers are tried too, and those lie in the past.
    if _is_past(body.get("expires_at")):
        body["expires_at"] = "2099-01-15T09:30:00Z"
    # What a read-only key may hold depends on the key, which the body does not name.
    if body.get("scopes") and _key_of(case) in _read_only:
        body["scopes"] = [scope for scope in body["scopes"] if scope.endswith(":read")]
    # With another request a used key is rightly refused. A new value goes out as it is.
    if (case.headers or {}).get("Idempotency-Key") in _used:
        case.headers["Idempotency-Key"] = f"another-change-{next(_serial)}"
