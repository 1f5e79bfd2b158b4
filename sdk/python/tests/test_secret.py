from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from keypin import Secret
from keypin.types import CreatedApiKey, CreatedInvite

KEY = "op_live_0000000000000000000000000009BlC0"
CREATED: dict[str, Any] = {
    "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "workspace_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "created_by": None,
    "name": "Nightly export",
    "key_type": "live",
    "key_prefix": "op_live",
    "key_suffix": "09BlC0",
    "scopes": [],
    "active": True,
    "last_used_at": None,
    "rate_limit_per_min": None,
    "revoked_at": None,
    "created_at": "2026-01-15T09:30:00Z",
    "updated_at": "2026-01-15T09:30:00Z",
    "preview": "op_live-xxxxxx-09BlC0",
    "expires_at": None,
    "allowed_ips": [],
    "metadata": {},
    "rotated_from": None,
    "rotated_to": None,
    "api_key": KEY,
}


@dataclass
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (KEY, "op_live_…"),
        ("mkapi_7Qm2XcV9sLk4TnB1pWy8RzE3uA0WEUpB", "mkapi_…"),
        ("a1_b2_c3_7Qm2XcV9sLk4TnB1pWy8RzE3uA0WEUpB", "a1_b2_c3_…"),
        ("eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "…"),
        ("op_live_tooshort", "…"),
        ("", "…"),
    ],
)
def test_a_secret_prints_as_its_mask(value: str, shown: str) -> None:
    secret = Secret(value)
    assert str(secret) == f"{secret}" == f"{secret!s}" == "%s" % secret == shown  # noqa: UP031  # a way to print, too
    assert repr(secret) == f"Secret({shown!r})"
    assert secret.reveal() == value


def test_nothing_that_prints_or_writes_reveals_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(KEY)
    created = CreatedApiKey.model_validate(CREATED)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").warning("%s %r %s", secret, created, [secret])
    printed = [
        caplog.text,
        repr(created),
        str(created),
        pprint.pformat(created.model_dump()),
        created.model_dump_json(),
        json.dumps(created.model_dump(mode="json")),
        json.dumps({"x": secret}, default=str),
        repr(Holder(secret)),
        repr(asdict(Holder(secret))),
        f"{secret:>20}",
        repr({secret: secret}),
    ]
    for text in printed:
        assert KEY[8:] not in text
        assert "op_live_…" in text or r"op_live_\u2026" in text


def test_json_refuses_a_secret_that_it_is_not_told_how_to_write() -> None:
    with pytest.raises(TypeError):
        json.dumps({"x": Secret(KEY)})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    for thing in (Secret(KEY), CreatedApiKey.model_validate(CREATED)):
        with pytest.raises(TypeError, match="reveal"):
            pickle.dumps(thing, protocol)


def test_a_secret_is_copied_compared_and_hashed() -> None:
    secret = Secret(KEY)
    assert copy.copy(secret) == copy.deepcopy(secret) == Secret(KEY) == secret
    assert secret != Secret(KEY[:-1] + "1")
    assert secret != KEY
    assert len({secret, Secret(KEY)}) == 1
    assert not Secret("")
    assert not hasattr(secret, "__dict__")


def test_a_secret_does_not_change() -> None:
    with pytest.raises(AttributeError):
        setattr(Secret(KEY), "value", "x")  # noqa: B010  # the checker of types would refuse the other way
    with pytest.raises(TypeError):
        Secret(b"bytes")  # type: ignore[arg-type]  # as above


def test_model_dump_gives_the_secret_itself_and_json_its_mask() -> None:
    created = CreatedApiKey.model_validate(CREATED)
    assert created.model_dump()["api_key"].reveal() == KEY
    assert created.model_dump(mode="json")["api_key"] == "op_live_…"
    assert CreatedApiKey.model_validate(created.model_dump()) == created
    assert created.model_copy(deep=True).api_key.reveal() == KEY


def test_a_dump_as_json_is_not_taken_for_the_secret() -> None:
    dumped = CreatedApiKey.model_validate(CREATED).model_dump_json()
    with pytest.raises(ValueError, match="mask"):
        CreatedApiKey.model_validate_json(dumped)


def test_the_schema_says_that_it_is_a_secret() -> None:
    told = CreatedInvite.model_json_schema()["properties"]["token"]
    assert (told["format"], told["type"], told["writeOnly"]) == ("password", "string", True)
