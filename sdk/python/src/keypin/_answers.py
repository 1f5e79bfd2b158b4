"""Reads the bodies of answers. pydantic is imported when the first one comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from . import _models as m

T = TypeVar("T")


@dataclass
class Rows(Generic[T]):
    """A page as it is answered."""

    data: list[T]
    total: int
    limit: int
    more: bool
    """Other items follow. Where is not read: the URL may name another host."""


def api_key(body: bytes) -> m.ApiKey:
    from . import _models

    return _models.ApiKeyResponse.model_validate_json(body).data


def created_api_key(body: bytes) -> m.CreatedApiKey:
    from . import _models

    return _models.CreatedApiKeyResponse.model_validate_json(body).data


def rotated_api_keys(body: bytes) -> m.RotatedApiKeys:
    from . import _models

    return _models.RotatedApiKeysResponse.model_validate_json(body).data


def api_keys(body: bytes) -> Rows[m.ApiKey]:
    from . import _models

    answer = _models.ApiKeyListResponse.model_validate_json(body)
    return _rows(answer.data, answer.pagination)


def verification(body: bytes) -> m.Verification:
    from . import _models

    return trusted(_models.VerificationResponse.model_validate_json(body).data)


def agrees(told: m.Verification) -> bool:
    """Whether an answer says the same by `valid` and by `code`."""
    return told.valid == (told.code == "valid")


def trusted(told: m.Verification) -> m.Verification:
    """The answer, valid only where both say so: who answers half of a yes has not said yes."""
    return told if agrees(told) or not told.valid else told.model_copy(update={"valid": False})


def api_key_usage(body: bytes) -> m.ApiKeyUsage:
    from . import _models

    return _models.ApiKeyUsageResponse.model_validate_json(body).data


def workspace_usage(body: bytes) -> m.WorkspaceUsage:
    from . import _models

    return _models.WorkspaceUsageResponse.model_validate_json(body).data


def who_am_i(body: bytes) -> m.WhoAmI:
    from . import _models

    return _models.WhoAmIResponse.model_validate_json(body).data


def probe(body: bytes) -> m.Probe:
    from . import _models

    return _models.Probe.model_validate_json(body)


def workspace(body: bytes) -> m.Workspace:
    from . import _models

    return _models.WorkspaceResponse.model_validate_json(body).data


def deleted_workspace(body: bytes) -> m.DeletedWorkspace:
    from . import _models

    return _models.DeletedWorkspaceResponse.model_validate_json(body).data


def workspaces(body: bytes) -> Rows[m.Workspace]:
    from . import _models

    answer = _models.WorkspaceListResponse.model_validate_json(body)
    return _rows(answer.data, answer.pagination)


def slug_availability(body: bytes) -> m.SlugAvailability:
    from . import _models

    return _models.SlugAvailabilityResponse.model_validate_json(body).data


def workspace_settings(body: bytes) -> m.WorkspaceSettings:
    from . import _models

    return _models.WorkspaceSettingsResponse.model_validate_json(body).data


def member(body: bytes) -> m.Member:
    from . import _models

    return _models.MemberResponse.model_validate_json(body).data


def members(body: bytes) -> Rows[m.Member]:
    from . import _models

    answer = _models.MemberListResponse.model_validate_json(body)
    return _rows(answer.data, answer.pagination)


def invite(body: bytes) -> m.Invite:
    from . import _models

    return _models.InviteResponse.model_validate_json(body).data


def created_invite(body: bytes) -> m.CreatedInvite:
    from . import _models

    return _models.CreatedInviteResponse.model_validate_json(body).data


def invites(body: bytes) -> Rows[m.Invite]:
    from . import _models

    answer = _models.InviteListResponse.model_validate_json(body)
    return _rows(answer.data, answer.pagination)


def accepted_invite(body: bytes) -> m.AcceptedInvite:
    from . import _models

    return _models.AcceptedInviteResponse.model_validate_json(body).data


def _rows(data: list[T], place: m.Pagination) -> Rows[T]:
    return Rows(data=data, total=place.total, limit=place.limit, more=place.next is not None)
