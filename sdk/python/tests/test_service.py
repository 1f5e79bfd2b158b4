"""Every call against the real binary, by both clients; `ask` awaits what the asynchronous one returns."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import keypin
from keypin import AsyncKeypin, Keypin
from service import Service

SCOPES = ["workflows:read", "voices:read"]


async def ask(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


async def items(listed: Any) -> list[Any]:
    return [item async for item in listed] if hasattr(listed, "__aiter__") else list(listed)


async def refused(kind: type[keypin.KeypinError], code: str, call: Callable[[], Any]) -> Any:
    with pytest.raises(kind) as raised:
        await ask(call())
    assert type(raised.value) is kind
    assert raised.value.code == code
    assert raised.value.request_id
    return raised.value


@pytest.fixture(params=[Keypin, AsyncKeypin], ids=["sync", "async"])
def make(request: pytest.FixtureRequest, service: Service) -> Callable[..., Any]:
    return lambda **options: request.param(base_url=service.base_url, **options)


def scenario(run: Callable[[Any, Callable[..., Any], Service], Any]) -> Callable[[Callable[..., Any], Service], None]:
    """A test with a client of a user of its own."""

    def test(make: Callable[..., Any], service: Service) -> None:
        async def main() -> None:
            client = make(token=service.token(f"{uuid.uuid4()}@example.com"))
            await run(client, make, service)
            closed = client.aclose() if isinstance(client, AsyncKeypin) else client.close()
            await ask(closed)

        asyncio.run(main())

    test.__name__ = run.__name__
    return test


@scenario
async def test_keys_are_made_changed_rotated_and_revoked(
    client: Any, make: Callable[..., Any], service: Service
) -> None:
    keys = client.api_keys
    expires = datetime.now(timezone.utc) + timedelta(days=1)
    created = await ask(
        keys.create(
            name="Nightly export",
            scopes=SCOPES,
            key_type="test",
            rate_limit_per_min=100,
            prefix="acme",
            expires_at=expires,
            allowed_ips=["127.0.0.1"],
            metadata={"team": "data"},
        )
    )
    assert created.api_key.reveal().startswith("acme_")
    assert str(created.api_key) == "acme_…"
    assert (created.scopes, created.rate_limit_per_min, created.metadata) == (SCOPES, 100, {"team": "data"})
    assert abs(created.expires_at - expires) < timedelta(milliseconds=1)
    got = await ask(keys.get(created.id))
    assert got.id == created.id
    assert got.etag == created.etag
    assert not hasattr(got, "api_key")
    changed = await ask(
        keys.update(created.id, name="Weekly export", expires_at=None, allowed_ips=None, if_match=got.etag)
    )
    assert (changed.name, changed.expires_at, changed.allowed_ips) == ("Weekly export", None, [])
    assert (changed.scopes, changed.rate_limit_per_min) == (SCOPES, 100)
    await refused(
        keypin.PreconditionFailedError,
        "precondition_failed",
        lambda: keys.update(created.id, name="x", if_match=got.etag),
    )
    rotated = await ask(keys.rotate(created.id, grace_period_seconds=60))
    assert rotated.old_key.expires_at is not None
    assert rotated.new_key.api_key != created.api_key
    assert rotated.new_key.rotated_from == created.id
    verified = await ask(
        keys.verify(created.api_key, scopes=["voices:read"], client_ip="127.0.0.1", user_agent="x" * 900)
    )
    assert verified.valid
    assert verified.api_key.id == created.id
    assert verified.rate_limit.limit == 100
    lacking = await ask(keys.verify(rotated.new_key.api_key, scopes=["voices:write"]))
    assert (lacking.valid, lacking.code) == (False, "insufficient_scope")
    deleted = await ask(keys.delete(rotated.new_key.id))
    assert deleted.revoked_at is not None
    assert (await ask(keys.verify(rotated.new_key.api_key))).code == "revoked"
    assert (await ask(keys.verify("not a key…"))).code == "malformed"
    await refused(keypin.ConflictError, "api_key_revoked", lambda: keys.rotate(rotated.new_key.id))
    await refused(keypin.NotFoundError, "not_found", lambda: keys.get(str(uuid.uuid4())))
    usage = await ask(keys.usage(created.id, granularity="hour", from_=expires - timedelta(days=2)))
    assert usage.granularity == "hour"


@scenario
async def test_keys_are_listed_over_pages(client: Any, make: Callable[..., Any], service: Service) -> None:
    for n in range(5):
        await ask(client.api_keys.create(name=f"key {n}", scopes=SCOPES if n == 1 else []))
    page = await ask(client.api_keys.list(limit=2))
    assert (page.total, len(page.data)) == (5, 2)
    assert [key.name for key in await items(client.api_keys.list(limit=2))] == [f"key {n}" for n in (4, 3, 2, 1, 0)]
    assert [key.name for key in await items(client.api_keys.list(sort="name", q="key", scope=SCOPES[0]))] == ["key 1"]
    await refused(keypin.UnprocessableEntityError, "validation_error", lambda: client.api_keys.list(limit=0))
    assert await items(client.api_keys.list(status="revoked")) == []


@scenario
async def test_the_same_idempotency_key_makes_the_same_key(
    client: Any, make: Callable[..., Any], service: Service
) -> None:
    mine = str(uuid.uuid4())
    first = await ask(client.api_keys.create(name="once", idempotency_key=mine))
    again = await ask(client.api_keys.with_raw_response.create(name="once", idempotency_key=mine))
    assert again.replayed
    assert again.parse() == first
    assert (await ask(client.api_keys.list())).total == 1
    await refused(
        keypin.UnprocessableEntityError,
        "validation_error",
        lambda: client.api_keys.create(name="another", idempotency_key=mine),
    )


@scenario
async def test_workspaces_members_and_invites(client: Any, make: Callable[..., Any], service: Service) -> None:
    slug = f"acme-{uuid.uuid4().hex[:8]}"
    assert (await ask(client.workspaces.slug_available(slug))).available
    made = await ask(client.workspaces.create(name="Acme", slug=slug, color_idx=3))
    assert not (await ask(client.workspaces.slug_available(slug))).available
    await refused(keypin.ConflictError, "workspace_slug_taken", lambda: client.workspaces.create(name="x", slug=slug))
    assert made.id in [w.id for w in await items(client.workspaces.list())]
    assert await ask(client.workspaces.get(made.id)) == made
    assert (await ask(client.workspaces.update(made.id, name="Acme Ltd"))).name == "Acme Ltd"
    assert (await ask(client.workspaces.settings(made.id))).theme is None
    assert (await ask(client.workspaces.update_settings(made.id, theme="dark"))).theme == "dark"
    assert (await ask(client.workspaces.update_settings(made.id, theme=None))).theme is None

    acme = client.with_options(workspace_id=made.id)
    address = f"{uuid.uuid4()}@example.com"
    [admin] = await items(acme.members.list())
    await refused(keypin.ConflictError, "conflict", lambda: acme.members.remove(admin.id))
    invite = await ask(acme.members.invites.create(email=address, role="viewer"))
    assert str(invite.token) == "…"
    assert (await ask(acme.members.invites.update(invite.id, role="editor"))).role == "editor"
    assert [i.id for i in await items(acme.members.invites.list())] == [invite.id]
    guest = make(token=service.token(address))
    joined = await ask(guest.members.invites.accept(invite.token))
    assert (joined.workspace_id, joined.role) == (made.id, "editor")
    await refused(keypin.GoneError, "gone", lambda: guest.members.invites.accept(invite.token))
    assert (await ask(acme.members.update(joined.id, role="viewer"))).role == "viewer"
    await ask(acme.members.remove(joined.id))
    withdrawn = await ask(acme.members.invites.create(email="gone@example.com", role="viewer"))
    assert (await ask(acme.members.invites.revoke(withdrawn.id))).status == "revoked"
    await refused(keypin.PermissionDeniedError, "workspace_forbidden", lambda: guest.workspaces.get(made.id))

    key = await ask(acme.api_keys.create(name="in Acme"))
    assert key.workspace_id == made.id
    await refused(keypin.NotFoundError, "not_found", lambda: client.api_keys.get(key.id))
    assert (await ask(client.api_keys.get(key.id, workspace_id=made.id))).id == key.id
    gone = await ask(client.workspaces.delete(made.id))
    assert gone.deleted
    assert gone.slug == slug


@scenario
async def test_a_key_calls_with_its_scopes(client: Any, make: Callable[..., Any], service: Service) -> None:
    assert (await ask(client.auth.whoami())).role == "admin"
    created = await ask(client.api_keys.create(name="caller", scopes=["api-keys:read"], rate_limit_per_min=100))
    caller = make(api_key=created.api_key)
    me = await ask(caller.auth.with_raw_response.whoami())
    assert (me.parse().auth_kind, me.parse().api_key_id) == ("api_key", created.id)
    assert me.rate_limit.limit == 100
    await refused(keypin.PermissionDeniedError, "insufficient_scope", lambda: caller.api_keys.create(name="x"))
    nobody = make(api_key="op_live_0000000000000000000000000009BlC0")
    await refused(keypin.AuthenticationError, "unauthorized", lambda: nobody.api_keys.list())
    bare = await refused(keypin.AuthenticationError, "unauthorized", lambda: make().auth.whoami())
    assert "KEYPIN_API_KEY" in str(bare)
    limited = await ask(client.api_keys.create(name="once a minute", rate_limit_per_min=1))
    once = make(api_key=limited.api_key, max_retries=0)
    await ask(once.auth.whoami())
    over = await refused(keypin.RateLimitError, "rate_limited", lambda: once.auth.whoami())
    assert 1 <= over.retry_after <= 60
    assert over.rate_limit.remaining == 0


@scenario
async def test_probes_and_usage(client: Any, make: Callable[..., Any], service: Service) -> None:
    assert (await ask(client.health.live())).status == "ok"
    assert (await ask(make().health.ready())).version
    assert (await ask(client.usage.get(granularity="day"))).top_keys == []
