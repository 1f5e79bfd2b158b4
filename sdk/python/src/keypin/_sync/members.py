# Written by scripts/generate_sync.py; not edited by hand.
"""The calls about members and invites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import _answers as answers
from .._call import Arguments, Call, Repeat
from .._not_given import NOT_GIVEN, NotGiven
from .._pages import SyncPage
from .._resource import SyncResource, Offset, sync_raw, idempotency_key_of, workspace_of
from .._secret import Secret

if TYPE_CHECKING:
    import httpx

    from .. import _models as m

_MEMBERS = "/api/v1/workspaces/{workspace_id}/members"
_INVITES = "/api/v1/workspaces/{workspace_id}/invites"
_ACCEPT = "/api/v1/workspaces/invites/{token}/accept"


class Members(SyncResource):
    """`client.members`: who belongs to a workspace, by default to the client's."""

    @property
    def with_raw_response(self) -> MembersWithRawResponse:
        """The same calls, returning answers with their headers."""
        return MembersWithRawResponse(Members(self._transport, raw=True))

    @property
    def invites(self) -> Invites:
        """Invites make members."""
        return Invites(self._transport, self._raw)

    def list(
        self,
        *,
        workspace_id: str | NotGiven = NOT_GIVEN,
        offset: int | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> SyncPage[m.Member]:
        """Lists the members, oldest first, and the pending invites behind them."""

        def page(at: Offset) -> Call[answers.Rows[m.Member]]:
            args = Arguments()
            workspace = workspace_of(workspace_id, self._transport.workspace_id, args)
            path = args.path(_MEMBERS, workspace_id=workspace)
            query = args.query(offset=at, limit=limit)
            args.check("list-members")
            return Call(
                operation="list-members",
                method="GET",
                path=path + query,
                parse=answers.members,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                extra_headers=extra_headers,
                timeout=timeout,
            )

        return self._list(page, offset)

    def update(
        self,
        member_id: str,
        *,
        role: m.Role,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Member:
        """Changes a member's role; admins only. The last admin stays one: ConflictError."""
        args = Arguments()
        workspace = workspace_of(workspace_id, self._transport.workspace_id, args)
        path = args.path(_MEMBERS + "/{member_id}", workspace_id=workspace, member_id=member_id)
        body = args.body(never_null=("role",), role=role)
        args.check("update-member")
        return self._send(
            Call(
                operation="update-member",
                method="PATCH",
                path=path,
                parse=answers.member,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                body=body,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def remove(
        self,
        member_id: str,
        *,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Member:
        """Takes a member out of the workspace; admins only. The keys that they made stay.

        The last admin stays, too: ConflictError.
        """
        args = Arguments()
        workspace = workspace_of(workspace_id, self._transport.workspace_id, args)
        path = args.path(_MEMBERS + "/{member_id}", workspace_id=workspace, member_id=member_id)
        args.check("remove-member")
        return self._send(
            Call(
                operation="remove-member",
                method="DELETE",
                path=path,
                parse=answers.member,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )


class Invites(SyncResource):
    """`client.members.invites`: they let whoever holds their token join a workspace."""

    @property
    def with_raw_response(self) -> InvitesWithRawResponse:
        """The same calls, returning answers with their headers."""
        return InvitesWithRawResponse(Invites(self._transport, raw=True))

    def list(
        self,
        *,
        workspace_id: str | NotGiven = NOT_GIVEN,
        offset: int | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> SyncPage[m.Invite]:
        """Lists the pending invites, oldest first."""

        def page(at: Offset) -> Call[answers.Rows[m.Invite]]:
            args = Arguments()
            workspace = workspace_of(workspace_id, self._transport.workspace_id, args)
            path = args.path(_INVITES, workspace_id=workspace)
            query = args.query(offset=at, limit=limit)
            args.check("list-invites")
            return Call(
                operation="list-invites",
                method="GET",
                path=path + query,
                parse=answers.invites,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                extra_headers=extra_headers,
                timeout=timeout,
            )

        return self._list(page, offset)

    def create(
        self,
        *,
        email: str,
        role: m.Role,
        workspace_id: str | NotGiven = NOT_GIVEN,
        idempotency_key: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.CreatedInvite:
        """Invites somebody for 14 days; admins only.

        No mail is sent: hand `.token.reveal()` over yourself.
        """
        args = Arguments()
        workspace = workspace_of(workspace_id, self._transport.workspace_id, args)
        path = args.path(_INVITES, workspace_id=workspace)
        body = args.body(never_null=("email", "role"), email=email, role=role)
        headers = args.headers(idempotency_key=idempotency_key_of(idempotency_key, self._transport.world))
        args.check("create-invite")
        return self._send(
            Call(
                operation="create-invite",
                method="POST",
                path=path,
                parse=answers.created_invite,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                body=body,
                idempotent=True,
                secrets=(Secret(headers["Idempotency-Key"]),),
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def update(
        self,
        invite_id: str,
        *,
        role: m.Role,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Invite:
        """Changes the role that a pending invite gives; admins only."""
        args = Arguments()
        workspace = workspace_of(workspace_id, self._transport.workspace_id, args)
        path = args.path(_INVITES + "/{invite_id}", workspace_id=workspace, invite_id=invite_id)
        body = args.body(never_null=("role",), role=role)
        args.check("update-invite")
        return self._send(
            Call(
                operation="update-invite",
                method="PATCH",
                path=path,
                parse=answers.invite,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                body=body,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def revoke(
        self,
        invite_id: str,
        *,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Invite:
        """Takes a pending invite back; admins only. Doing it again changes nothing."""
        args = Arguments()
        workspace = workspace_of(workspace_id, self._transport.workspace_id, args)
        path = args.path(_INVITES + "/{invite_id}", workspace_id=workspace, invite_id=invite_id)
        args.check("revoke-invite")
        return self._send(
            Call(
                operation="revoke-invite",
                method="DELETE",
                path=path,
                parse=answers.invite,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def accept(
        self,
        token: str | Secret,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.AcceptedInvite:
        """Makes the session's user a member.

        An invite that was used, revoked or has expired is GoneError, and who is a member
        already is ConflictError.
        """
        args = Arguments()
        secret = token if isinstance(token, Secret) else Secret(token)
        call = Call(
            operation="accept-invite",
            method="POST",
            path=args.path(_ACCEPT, token=secret.reveal()),
            parse=answers.accepted_invite,
            repeat=Repeat.WHEN_NOTHING_DONE,
            headers={},
            secrets=(secret,),
            private_path=_ACCEPT.replace("{token}", "[secret]"),
            extra_headers=extra_headers,
            timeout=timeout,
        )
        args.check("accept-invite")
        return self._send(call)


class MembersWithRawResponse:
    """`client.members.with_raw_response`."""

    def __init__(self, members: Members) -> None:
        self.list = sync_raw(members.list)
        self.update = sync_raw(members.update)
        self.remove = sync_raw(members.remove)
        self.invites = members.invites.with_raw_response


class InvitesWithRawResponse:
    """`client.members.invites.with_raw_response`."""

    def __init__(self, invites: Invites) -> None:
        self.list = sync_raw(invites.list)
        self.create = sync_raw(invites.create)
        self.update = sync_raw(invites.update)
        self.revoke = sync_raw(invites.revoke)
        self.accept = sync_raw(invites.accept)
