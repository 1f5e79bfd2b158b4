"""The shapes of answers. Written by scripts/generate_models.py; not edited by hand."""

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import Field

from ._model import Model, Tagged
from ._secret import Secret

# A later version of the service may answer a value that this one does not know.
AuthKind: TypeAlias = Literal["clerk", "api_key"] | str
Granularity: TypeAlias = Literal["minute", "hour", "day"] | str
InviteStatus: TypeAlias = Literal["pending", "accepted", "revoked", "expired"] | str
KeySort: TypeAlias = Literal["-created_at", "created_at", "name", "-name", "-last_used_at", "last_used_at"] | str
KeyStatus: TypeAlias = Literal["active", "revoked", "all"] | str
KeyType: TypeAlias = Literal["live", "test", "read-only"] | str
MemberStatus: TypeAlias = Literal["active", "pending"] | str
Outcome: TypeAlias = (
    Literal[
        "valid",
        "malformed",
        "not_found",
        "revoked",
        "inactive",
        "expired",
        "ip_not_allowed",
        "insufficient_scope",
        "rate_limited",
        "quota_exceeded",
    ]
    | str
)
Role: TypeAlias = Literal["admin", "editor", "viewer"] | str
Theme: TypeAlias = Literal["light", "dark", "system"] | str


class Member(Model):
    """A row of the list of members: a member, or a pending invite."""

    id: str
    """The membership's id, or the invite's."""

    user_id: str | None = None
    """The user; null for an invite."""

    email: str
    """The address; empty when the issuer does not tell it."""

    first_name: str | None = None
    """Null when not known."""

    last_name: str | None = None
    """Null when not known."""

    image_url: str | None = None
    """Null when not known."""

    role: Role
    """What the member may do."""

    last_active_at: datetime | None = None
    """When the member last called, at most 5 minutes behind; null = never."""

    status: MemberStatus
    """pending for an invite that was not accepted yet."""


class AcceptedInvite(Member):
    """The membership that an invite gave."""

    workspace_id: str
    """The workspace that was joined."""


class Meta(Model):
    """What every answer says beside its data."""

    request_id: str
    """The id of this request, also in the header X-Request-Id. Name it when you ask for help."""

    timestamp: datetime
    """When the answer was made, UTC."""


class AcceptedInviteResponse(Model):
    """An answer's envelope."""

    data: AcceptedInvite

    meta: Meta


class ApiKey(Tagged):
    """A key without its plaintext."""

    id: str
    """The key's id."""

    workspace_id: str
    """The workspace that owns the key."""

    created_by: str | None = None
    """The user who made the key; null when that user was deleted."""

    name: str
    """1 to 120 characters."""

    key_type: KeyType
    """What the key is for. A read-only key holds :read scopes only."""

    key_prefix: str
    """How the key begins, without the underscore that follows."""

    key_suffix: str
    """The last 6 characters of the key."""

    scopes: list[str]
    """What the key may do, in registry order. None: no access."""

    active: bool
    """false while the key is suspended, and for good once it is revoked."""

    last_used_at: datetime | None = None
    """When the key was last accepted, at most 60 s behind; null = never."""

    rate_limit_per_min: int | None = None
    """How often the key is admitted in any 60 s; null = the service's default."""

    revoked_at: datetime | None = None
    """When the key was revoked, which is final; null = it was not."""

    created_at: datetime
    """When the key was made."""

    updated_at: datetime
    """When the key was last changed through the API. Use does not move it."""

    preview: str
    """Shows which key it is without showing the key."""

    expires_at: datetime | None = None
    """From when on the key is refused; null = never."""

    allowed_ips: list[str]
    """The addresses and CIDR ranges that the key may be used from; empty = anywhere."""

    metadata: dict[str, str]
    """The caller's own pairs."""

    rotated_from: str | None = None
    """The key that this one replaced."""

    rotated_to: str | None = None
    """The key that replaced this one."""


class Pagination(Model):
    """Where in a list a page is."""

    next: str | None = None
    """The URL of the next page; null on the last one."""

    prev: str | None = None
    """The URL of the page before; null on the first one."""

    limit: int
    """How many items a page holds at most."""

    total: int
    """How many items all pages hold together."""


class ApiKeyListResponse(Model):
    """An answer's envelope."""

    data: list[ApiKey]

    meta: Meta

    pagination: Pagination


class ApiKeyResponse(Model):
    """An answer's envelope."""

    data: ApiKey

    meta: Meta


class LastUse(Model):
    """When and by whom a key was last accepted."""

    at: datetime
    """When it was, at most 60 s behind."""

    ip: str | None = None
    """The client's address; null when it was not told."""

    user_agent: str | None = None
    """The client's user agent, cut to 256 bytes; null when it was not told."""


class UsagePoint(Model):
    """The verifications of one minute, hour or day."""

    at: datetime
    """Where the bucket begins."""

    counts: dict[str, int]
    """The checks by outcome; empty when there was none."""


class ApiKeyUsage(Model):
    """How often a key was verified, counted over its whole chain of rotations."""

    last_used: LastUse | None = None
    """The newest use of this very key that was accepted; null = never."""

    from_: datetime = Field(alias="from")
    """Where the first bucket begins."""

    to: datetime
    """Where the last bucket ends."""

    granularity: Granularity
    """How long a bucket is. Days are those of UTC."""

    totals: dict[str, int]
    """The checks of all buckets by outcome, such as valid or rate_limited, which are the codes of verify; only those
    that occurred."""

    points: list[UsagePoint]
    """Every bucket of the time, oldest first."""


class ApiKeyUsageResponse(Model):
    """An answer's envelope."""

    data: ApiKeyUsage

    meta: Meta


class CreatedApiKey(ApiKey):
    """A new key with its plaintext, which cannot be had again."""

    api_key: Secret
    """The plaintext. It is answered here once and cannot be had again."""


class CreatedApiKeyResponse(Model):
    """An answer's envelope."""

    data: CreatedApiKey

    meta: Meta


class Invite(Model):
    """Lets whoever holds its token join a workspace."""

    id: str
    """The invite's id."""

    email: str
    """Whom it is for."""

    role: Role
    """The role that accepting gives."""

    status: InviteStatus
    """What became of it."""

    expires_at: datetime
    """14 days after it was made."""

    invited_by: str
    """The user who made it."""

    created_at: datetime
    """When it was made."""


class CreatedInvite(Invite):
    """A new invite with its token, which cannot be had again."""

    token: Secret
    """What accepts the invite. Give it to whom it is for; it is answered here once."""


class CreatedInviteResponse(Model):
    """An answer's envelope."""

    data: CreatedInvite

    meta: Meta


class Workspace(Model):
    """Owns keys and has members."""

    id: str
    """The workspace's id."""

    name: str
    """1 to 200 characters."""

    slug: str
    """The short name, unique in the service."""

    color_idx: int
    """The workspace's colour."""

    created_by: str
    """The user who made it."""

    created_at: datetime
    """When it was made."""

    updated_at: datetime
    """When it was last changed."""


class DeletedWorkspace(Workspace):
    """A workspace that is no more."""

    deleted: bool
    """Always true."""


class DeletedWorkspaceResponse(Model):
    """An answer's envelope."""

    data: DeletedWorkspace

    meta: Meta


class InviteListResponse(Model):
    """An answer's envelope."""

    data: list[Invite]

    meta: Meta

    pagination: Pagination


class InviteResponse(Model):
    """An answer's envelope."""

    data: Invite

    meta: Meta


class MemberListResponse(Model):
    """An answer's envelope."""

    data: list[Member]

    meta: Meta

    pagination: Pagination


class MemberResponse(Model):
    """An answer's envelope."""

    data: Member

    meta: Meta


class Probe(Model):
    """What a probe answers."""

    status: str
    """Always ok; a service that is not answers 503."""

    version: str
    """The version that runs."""


class RateLimitState(Model):
    """The state of a key's limit."""

    limit: int
    """Admissions in any 60 s."""

    remaining: int
    """Admissions left now."""

    reset_at: datetime
    """When the oldest counted admission leaves the window."""


class RotatedApiKeys(Model):
    """Both ends of a rotation."""

    old_key: ApiKey
    """The key that was replaced."""

    new_key: CreatedApiKey
    """The key that replaces it, with its plaintext."""


class RotatedApiKeysResponse(Model):
    """An answer's envelope."""

    data: RotatedApiKeys

    meta: Meta


class SlugAvailability(Model):
    """Whether a slug is free."""

    slug: str
    """The slug that was asked about."""

    available: bool
    """Whether no workspace has it."""


class SlugAvailabilityResponse(Model):
    """An answer's envelope."""

    data: SlugAvailability

    meta: Meta


class TopApiKey(Model):
    """A key's part of a workspace's usage."""

    api_key_id: str
    """The newest key of its chain of rotations, which are counted together."""

    name: str
    """That key's name."""

    total: int
    """Checks of any outcome."""

    counts: dict[str, int]
    """The checks by outcome; only those that occurred."""


class VerifiedApiKey(Model):
    """What a verification tells of a key."""

    id: str
    """The key's id."""

    workspace_id: str
    """The workspace that owns the key."""

    name: str
    """The key's name."""

    key_type: KeyType
    """What the key is for."""

    scopes: list[str]
    """What the key may do."""

    metadata: dict[str, str]
    """The pairs that its maker gave it."""

    expires_at: datetime | None = None
    """From when on the key is refused; null = never."""

    created_by: str | None = None
    """The user who made the key."""

    allowed_ips: list[str]
    """The addresses and CIDR ranges that the key may be used from; empty = anywhere."""


class Verification(Model):
    """The outcome of a check."""

    valid: bool
    """Whether the key may do what was asked. True only with the code valid."""

    code: Outcome
    """The outcome: the first of these that applies, in this order but valid last."""

    api_key: VerifiedApiKey | None = None
    """The key; null when it is malformed or not found."""

    rate_limit: RateLimitState | None = None
    """The state of the key's limit; null when it has none, or was refused before it was counted."""


class VerificationResponse(Model):
    """An answer's envelope."""

    data: Verification

    meta: Meta


class WhoAmI(Model):
    """The caller."""

    auth_kind: AuthKind
    """clerk for any session, api_key for a key."""

    user_id: str
    """The user of the session, or who made the key; the nil UUID when that user was deleted."""

    workspace_id: str
    """The workspace that a call without X-Workspace-Id acts in."""

    api_key_id: str | None = None
    """The calling key; null for a session."""

    scopes: list[str]
    """The key's scopes, sorted by name. A session has none: its role decides."""

    role: Role | None = None
    """The session's role in the workspace; null for a key."""


class WhoAmIResponse(Model):
    """An answer's envelope."""

    data: WhoAmI

    meta: Meta


class WorkspaceListResponse(Model):
    """An answer's envelope."""

    data: list[Workspace]

    meta: Meta

    pagination: Pagination


class WorkspaceResponse(Model):
    """An answer's envelope."""

    data: Workspace

    meta: Meta


class WorkspaceSettings(Model):
    """The defaults that every member sees."""

    default_language: str | None = None
    """A language tag such as en or pt-BR; null = not set."""

    theme: Theme | None = None
    """The pages' colours; null = not set."""


class WorkspaceSettingsResponse(Model):
    """An answer's envelope."""

    data: WorkspaceSettings

    meta: Meta


class WorkspaceUsage(Model):
    """How often a workspace's keys were verified."""

    top_keys: list[TopApiKey]
    """The keys that were used most in this time, at most 10, the most used first."""

    from_: datetime = Field(alias="from")
    """Where the first bucket begins."""

    to: datetime
    """Where the last bucket ends."""

    granularity: Granularity
    """How long a bucket is. Days are those of UTC."""

    totals: dict[str, int]
    """The checks of all buckets by outcome, such as valid or rate_limited, which are the codes of verify; only those
    that occurred."""

    points: list[UsagePoint]
    """Every bucket of the time, oldest first."""


class WorkspaceUsageResponse(Model):
    """An answer's envelope."""

    data: WorkspaceUsage

    meta: Meta


PUBLIC = (
    "AcceptedInvite",
    "ApiKey",
    "ApiKeyUsage",
    "AuthKind",
    "CreatedApiKey",
    "CreatedInvite",
    "DeletedWorkspace",
    "Granularity",
    "Invite",
    "InviteStatus",
    "KeySort",
    "KeyStatus",
    "KeyType",
    "LastUse",
    "Member",
    "MemberStatus",
    "Outcome",
    "Probe",
    "RateLimitState",
    "Role",
    "RotatedApiKeys",
    "SlugAvailability",
    "Theme",
    "TopApiKey",
    "UsagePoint",
    "Verification",
    "VerifiedApiKey",
    "WhoAmI",
    "Workspace",
    "WorkspaceSettings",
    "WorkspaceUsage",
)
