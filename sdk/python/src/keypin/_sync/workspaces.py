# Written by scripts/generate_sync.py; not edited by hand.
"""The calls about workspaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import _answers as answers
from .._call import Arguments, Call, Repeat
from .._not_given import NOT_GIVEN, NotGiven
from .._pages import SyncPage
from .._resource import SyncResource, Offset, sync_raw, idempotency_key_of
from .._secret import Secret

if TYPE_CHECKING:
    import httpx

    from .. import _models as m

_WORKSPACES = "/api/v1/workspaces"
_WORKSPACE = _WORKSPACES + "/{workspace_id}"


class Workspaces(SyncResource):
    """`client.workspaces`: they own keys and have members."""

    @property
    def with_raw_response(self) -> WorkspacesWithRawResponse:
        """The same calls, returning answers with their headers."""
        return WorkspacesWithRawResponse(Workspaces(self._transport, raw=True))

    def list(
        self,
        *,
        offset: int | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> SyncPage[m.Workspace]:
        """Lists the workspaces that the caller is a member of, oldest first."""

        def page(at: Offset) -> Call[answers.Rows[m.Workspace]]:
            args = Arguments()
            query = args.query(offset=at, limit=limit)
            args.check("list-workspaces")
            return Call(
                operation="list-workspaces",
                method="GET",
                path=_WORKSPACES + query,
                parse=answers.workspaces,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                takes_workspace=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )

        return self._list(page, offset)

    def create(
        self,
        *,
        name: str,
        slug: str | NotGiven | None = NOT_GIVEN,
        color_idx: int | NotGiven | None = NOT_GIVEN,
        idempotency_key: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Workspace:
        """Makes a workspace whose admin the caller is.

        `slug` (1 to 50 characters, such as acme-labs) is made of the name when it is left out.
        """
        args = Arguments()
        body = args.body(never_null=("name",), name=name, slug=slug, color_idx=color_idx)
        headers = args.headers(idempotency_key=idempotency_key_of(idempotency_key, self._transport.world))
        args.check("create-workspace")
        return self._send(
            Call(
                operation="create-workspace",
                method="POST",
                path=_WORKSPACES,
                parse=answers.workspace,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                body=body,
                takes_workspace=True,
                idempotent=True,
                secrets=(Secret(headers["Idempotency-Key"]),),
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def get(
        self,
        workspace_id: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Workspace:
        """Fetches a workspace."""
        args = Arguments()
        path = args.path(_WORKSPACE, workspace_id=workspace_id)
        args.check("get-workspace")
        return self._send(
            Call(
                operation="get-workspace",
                method="GET",
                path=path,
                parse=answers.workspace,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def update(
        self,
        workspace_id: str,
        *,
        name: str | NotGiven = NOT_GIVEN,
        slug: str | NotGiven = NOT_GIVEN,
        color_idx: int | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Workspace:
        """Changes a workspace; admins only. What is left out stays as it is."""
        args = Arguments()
        path = args.path(_WORKSPACE, workspace_id=workspace_id)
        body = args.body(never_null=("name", "slug", "color_idx"), name=name, slug=slug, color_idx=color_idx)
        args.check("update-workspace")
        return self._send(
            Call(
                operation="update-workspace",
                method="PATCH",
                path=path,
                parse=answers.workspace,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                body=body,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def delete(
        self,
        workspace_id: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.DeletedWorkspace:
        """Deletes a workspace and revokes every key in it; admins only.

        A workspace that is no more is PermissionDeniedError, as one that the caller is not in:
        see `KeypinError.attempts`.
        """
        args = Arguments()
        path = args.path(_WORKSPACE, workspace_id=workspace_id)
        args.check("delete-workspace")
        return self._send(
            Call(
                operation="delete-workspace",
                method="DELETE",
                path=path,
                parse=answers.deleted_workspace,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def slug_available(
        self,
        slug: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.SlugAvailability:
        """Tells whether no workspace has the slug at this moment."""
        args = Arguments()
        query = args.query(slug=slug)
        args.check("slug-available")
        return self._send(
            Call(
                operation="slug-available",
                method="GET",
                path=_WORKSPACES + "/slug-available" + query,
                parse=answers.slug_availability,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                takes_workspace=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def settings(
        self,
        workspace_id: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.WorkspaceSettings:
        """Fetches a workspace's settings."""
        args = Arguments()
        path = args.path(_WORKSPACE + "/settings", workspace_id=workspace_id)
        args.check("get-workspace-settings")
        return self._send(
            Call(
                operation="get-workspace-settings",
                method="GET",
                path=path,
                parse=answers.workspace_settings,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    def update_settings(
        self,
        workspace_id: str,
        *,
        default_language: str | NotGiven | None = NOT_GIVEN,
        theme: m.Theme | NotGiven | None = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.WorkspaceSettings:
        """Changes a workspace's settings; admins only. What is left out stays, None clears."""
        args = Arguments()
        path = args.path(_WORKSPACE + "/settings", workspace_id=workspace_id)
        body = args.body(default_language=default_language, theme=theme)
        args.check("update-workspace-settings")
        return self._send(
            Call(
                operation="update-workspace-settings",
                method="PATCH",
                path=path,
                parse=answers.workspace_settings,
                repeat=Repeat.WHEN_UNSURE,
                headers={},
                body=body,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )


class WorkspacesWithRawResponse:
    """`client.workspaces.with_raw_response`."""

    def __init__(self, workspaces: Workspaces) -> None:
        self.list = sync_raw(workspaces.list)
        self.create = sync_raw(workspaces.create)
        self.get = sync_raw(workspaces.get)
        self.update = sync_raw(workspaces.update)
        self.delete = sync_raw(workspaces.delete)
        self.slug_available = sync_raw(workspaces.slug_available)
        self.settings = sync_raw(workspaces.settings)
        self.update_settings = sync_raw(workspaces.update_settings)
