"""Drives a running service with the published `onepin` package, unmodified.

It runs inside a throwaway environment that holds that package and nothing of
ours; test_onepin.py makes the environment and hands over, as JSON on standard
input: base_url, client ("sync" or "async"), and the session tokens of three
users: admin, admin_email, invited, invited_email, and outsider.
Each scenario is written once: `call` awaits what the asynchronous client returns.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import uuid
from collections.abc import Callable
from typing import Any

import onepin
from onepin.core.api_error import ApiError
from onepin.errors import UnprocessableEntityError

SCOPES = ["workflows:read", "voices:read", "templates:read"]


async def call(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


async def refused(status: int, code: str, request: Callable[[], Any]) -> ApiError:
    """The error that the request raises, checked to be the one that is documented."""
    try:
        answer = await call(request())
    except ApiError as error:
        assert error.status_code == status, f"{error.status_code} instead of {status}: {error.body}"
        body = error.body if isinstance(error.body, dict) else error.body.model_dump()
        assert body["error"]["code"] == code, f"{body['error']} instead of {code}"
        assert body["meta"]["request_id"] == (error.headers or {})["x-request-id"]
        return error
    raise AssertionError(f"{status} {code} was expected, got {answer!r}")


class Scenario:
    def __init__(self, given: dict[str, str]) -> None:
        self.given = given
        self.make = onepin.AsyncOnePinClient if given["client"] == "async" else onepin.OnePinClient

    def client(self, token: str) -> Any:
        # No retries: the first answer is the one that is looked at.
        return self.make(base_url=self.given["base_url"], token=token, max_retries=0)

    async def run(self) -> None:
        admin = self.client(self.given["admin"])
        await self.health(admin)
        me = await self.whoami_of_session(admin)
        await self.key_calls(admin, me.workspace_id)
        await self.key_calls_as_a_key(admin)
        await self.key_errors(admin)
        workspace = await self.workspaces(admin)
        await self.members(admin, workspace)
        await self.deletion(admin, workspace)

    async def health(self, client: Any) -> None:
        assert (await call(client.health.liveness()))["status"] == "ok"
        assert (await call(client.health.readiness()))["status"] == "ok"

    async def whoami_of_session(self, client: Any) -> Any:
        me = (await call(client.auth.whoami())).data
        assert me.auth_kind == "clerk" and me.api_key_id is None
        uuid.UUID(me.user_id), uuid.UUID(me.workspace_id)
        return me

    async def key_calls(self, client: Any, workspace_id: str) -> None:
        """Create, list, get, update, rotate and delete, as whoever holds the client's token."""
        keys = client.api_keys
        before = (await call(keys.list_api_keys(status="all"))).pagination.total

        created = (
            await call(
                keys.create_api_key(
                    name="Marketing API Key",
                    scopes=SCOPES,
                    rate_limit_per_min=100,
                    key_type="live",
                    workspace_id=workspace_id,
                )
            )
        ).data
        assert created.api_key.startswith("op_live_") and len(created.api_key) == len("op_live_") + 32
        assert created.key_prefix == "op_live" and created.api_key.endswith(created.key_suffix)
        assert created.preview == f"op_live-xxxxxx-{created.key_suffix}"
        assert created.active is True and created.revoked_at is None and created.last_used_at is None
        assert created.workspace_id == workspace_id and created.rate_limit_per_min == 100
        assert created.scopes == SCOPES

        bare = (await call(keys.create_api_key(name="bare"))).data
        assert bare.scopes == [] and bare.key_type == "live" and bare.rate_limit_per_min is None

        page = await call(keys.list_api_keys(limit=1, status="all"))
        assert len(page.data) == 1 and page.data[0].id == bare.id, "the newest comes first"
        assert page.pagination.total == before + 2 and page.pagination.limit == 1
        assert page.pagination.next.startswith(self.given["base_url"]) and "status=all" in page.pagination.next
        assert page.pagination.prev is None

        got = (await call(keys.get_api_key(created.id))).data
        assert got.id == created.id and got.preview == created.preview
        assert not hasattr(got, "api_key"), "the plaintext is answered once"

        # The client sends nulls for what it was told to leave.
        updated = (
            await call(keys.update_api_key(created.id, name="Renamed", scopes=None, active=None, rate_limit_per_min=50))
        ).data
        assert updated.name == "Renamed" and updated.scopes == SCOPES and updated.rate_limit_per_min == 50
        assert updated.updated_at >= created.updated_at
        assert (await call(keys.update_api_key(created.id))).data == updated, "nothing asked, nothing changed"
        cleared = (await call(keys.update_api_key(created.id, rate_limit_per_min=None, active=False))).data
        assert cleared.rate_limit_per_min is None and cleared.active is False and cleared.revoked_at is None
        await refused(409, "api_key_inactive", lambda: keys.rotate_api_key(created.id))
        assert (await call(keys.update_api_key(created.id, active=True))).data.active is True

        rotated = (await call(keys.rotate_api_key(created.id))).data
        assert rotated.old_key.id == created.id and rotated.old_key.active is False
        assert rotated.old_key.revoked_at is not None
        assert rotated.new_key.api_key not in (None, created.api_key) and rotated.new_key.name == "Renamed"
        assert rotated.new_key.scopes == SCOPES and rotated.new_key.id != created.id

        deleted = (await call(keys.delete_api_key(rotated.new_key.id))).data
        assert deleted.active is False and deleted.revoked_at is not None
        assert (await call(keys.delete_api_key(rotated.new_key.id))).data == deleted, "again changes nothing"
        revoked = await call(keys.list_api_keys(status="revoked", limit=100))
        assert {created.id, rotated.new_key.id} <= {k.id for k in revoked.data}
        assert bare.id in {k.id for k in (await call(keys.list_api_keys(limit=100))).data}
        await call(keys.delete_api_key(bare.id))

        dead = self.client(rotated.new_key.api_key)
        await refused(401, "unauthorized", lambda: dead.auth.whoami())

    async def key_calls_as_a_key(self, admin: Any) -> None:
        scopes = ["api-keys:read", "api-keys:write", "workspace:read", *SCOPES]
        made = (await call(admin.api_keys.create_api_key(name="caller", scopes=scopes))).data
        caller = self.client(made.api_key)
        await self.health(caller)
        me = (await call(caller.auth.whoami())).data
        assert me.auth_kind == "api_key" and me.api_key_id == made.id
        assert me.workspace_id == made.workspace_id and me.scopes == sorted(scopes)
        await self.key_calls(caller, made.workspace_id)
        await refused(
            403, "insufficient_scope", lambda: caller.api_keys.create_api_key(name="x", scopes=["voices:write"])
        )

        only = [w.id for w in (await call(caller.workspaces.list_workspaces())).data]
        assert only == [made.workspace_id], "a key sees its own workspace only"
        assert (await call(caller.workspaces.get_workspace(made.workspace_id))).data.id == made.workspace_id
        await call(caller.workspace.get_workspace_settings(made.workspace_id))
        await call(caller.workspace_members.list_members(made.workspace_id))
        await refused(403, "forbidden", lambda: caller.workspaces.create_workspace(name="not by a key"))

        powerless = self.client((await call(admin.api_keys.create_api_key(name="powerless"))).data.api_key)
        assert (await call(powerless.auth.whoami())).data.scopes == []
        await refused(403, "insufficient_scope", lambda: powerless.api_keys.list_api_keys())

    async def key_errors(self, client: Any) -> None:
        keys = client.api_keys
        nobody = str(uuid.uuid4())
        for request in (keys.get_api_key, keys.delete_api_key, keys.update_api_key, keys.rotate_api_key):
            await refused(404, "not_found", lambda request=request: request(nobody))
        made = (await call(keys.create_api_key(name="to be revoked"))).data
        await call(keys.delete_api_key(made.id))
        await refused(409, "api_key_revoked", lambda: keys.rotate_api_key(made.id))
        await refused(409, "api_key_revoked", lambda: keys.update_api_key(made.id, name="too late"))
        for request in (
            lambda: keys.get_api_key("not-a-uuid"),
            lambda: keys.create_api_key(name=""),
            lambda: keys.create_api_key(name="x", key_type="public"),
            lambda: keys.create_api_key(name="x", scopes=["no:such"]),
            lambda: keys.list_api_keys(limit=0),
            lambda: keys.list_api_keys(workspace_id="not-a-uuid"),
        ):
            assert isinstance(await refused(422, "validation_error", request), UnprocessableEntityError)
        await refused(403, "workspace_forbidden", lambda: keys.list_api_keys(workspace_id=nobody))
        stranger = self.client("op_live_0000000000000000000000000009BlC0")
        await refused(401, "unauthorized", lambda: stranger.api_keys.list_api_keys())

    async def workspaces(self, client: Any) -> str:
        slug = f"acme-{uuid.uuid4().hex[:8]}"
        made = (await call(client.workspaces.create_workspace(name="Acme", slug=slug, color_idx=3))).data
        assert (made.name, made.slug, made.color_idx) == ("Acme", slug, 3)
        await refused(409, "workspace_slug_taken", lambda: client.workspaces.create_workspace(name="Acme", slug=slug))
        listed = await call(client.workspaces.list_workspaces(limit=100))
        assert made.id in {w.id for w in listed.data}
        assert (await call(client.workspaces.get_workspace(made.id))).data == made
        changed = (await call(client.workspaces.update_workspace(made.id, name="Acme Ltd"))).data
        assert changed.name == "Acme Ltd" and changed.slug == slug and changed.color_idx == 3
        settings = (await call(client.workspace.get_workspace_settings(made.id))).data
        assert settings.default_language is None or isinstance(settings.default_language, str)
        # The workspace that the header names is the one that is worked in.
        key = (await call(client.api_keys.create_api_key(name="elsewhere", workspace_id=made.id))).data
        assert key.workspace_id == made.id
        await refused(404, "not_found", lambda: client.api_keys.get_api_key(key.id))
        assert (await call(client.api_keys.get_api_key(key.id, workspace_id=made.id))).data.id == key.id
        outsider = self.client(self.given["outsider"])
        await refused(403, "workspace_forbidden", lambda: outsider.workspaces.get_workspace(made.id))
        return made.id

    async def members(self, client: Any, workspace: str) -> None:
        members = client.workspace_members
        first = (await call(members.list_members(workspace))).data
        assert [m.email for m in first] == [self.given["admin_email"]] and first[0].role == "admin"
        await refused(409, "conflict", lambda: members.remove_member(workspace, first[0].id))

        invite = (await call(members.create_invite(workspace, email=self.given["invited_email"], role="viewer"))).data
        assert invite.status == "pending" and invite.role == "viewer"
        raised = (await call(members.update_invite_role(workspace, invite.id, role="editor"))).data
        assert raised.role == "editor"
        assert len((await call(members.list_members(workspace))).data) == 2, "pending invites are listed"
        withdrawn = (await call(members.create_invite(workspace, email="gone@example.com", role="viewer"))).data
        await call(members.revoke_invite(workspace, withdrawn.id))

        invited = self.client(self.given["invited"])
        await refused(403, "workspace_forbidden", lambda: invited.workspaces.get_workspace(workspace))
        await refused(410, "gone", lambda: invited.workspace_members.accept_invite(withdrawn.token))
        await call(invited.workspace_members.accept_invite(invite.token))
        await refused(410, "gone", lambda: invited.workspace_members.accept_invite(invite.token))
        assert (await call(invited.workspaces.get_workspace(workspace))).data.id == workspace
        await refused(403, "forbidden", lambda: invited.workspaces.update_workspace(workspace, name="no"))

        joined = [
            m for m in (await call(members.list_members(workspace))).data if m.email == self.given["invited_email"]
        ]
        assert len(joined) == 1 and joined[0].role == "editor"
        await call(members.update_member_role(workspace, joined[0].id, role="viewer"))
        await refused(403, "forbidden", lambda: invited.api_keys.create_api_key(name="no", workspace_id=workspace))
        await call(members.remove_member(workspace, joined[0].id))
        await refused(403, "workspace_forbidden", lambda: invited.workspaces.get_workspace(workspace))

    async def deletion(self, client: Any, workspace: str) -> None:
        key = (await call(client.api_keys.create_api_key(name="goes with it", workspace_id=workspace))).data
        await call(client.workspaces.delete_workspace(workspace))
        await refused(403, "workspace_forbidden", lambda: client.workspaces.get_workspace(workspace))
        gone = self.client(key.api_key)
        await refused(401, "unauthorized", lambda: gone.auth.whoami())


if __name__ == "__main__":
    given = json.load(sys.stdin)
    asyncio.run(Scenario(given).run())
    print("everything answered as documented")
