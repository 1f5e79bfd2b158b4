"""A call of the API made ready: checked, and the same for all of its requests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from ._errors import ErrorDetail, InvalidArgumentError
from ._not_given import NOT_GIVEN, NotGiven
from ._secret import Secret

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

NO_WORKSPACE = "must be a UUID; leave it out for the client's workspace"

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PRINTABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_IDEMPOTENCY_KEY = re.compile(r"[!-~][ -~]{6,253}[!-~]")


class Repeat(Enum):
    """When a call that failed may be sent again."""

    WHEN_UNSURE = auto()
    """Sending it again comes to the same as sending it once."""

    WHEN_NOTHING_DONE = auto()
    """Only if the first request cannot have done anything."""

    NEVER = auto()
    """The answer is about this moment."""


class Body:
    """What is sent. It may hold a key, and is not printed."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content


@dataclass(repr=False)
class Call(Generic[T]):
    """One call, sent as often as it takes."""

    operation: str
    """Its name in the OpenAPI document."""

    method: str
    path: str
    """With the query, after the base URL."""

    parse: Callable[[bytes], T]
    """Reads the body of the answer. Raises ValueError for what it is not."""

    repeat: Repeat
    headers: dict[str, str]
    body: Body | None = None
    takes_workspace: bool = False
    idempotent: bool = False
    """The requests carry one Idempotency-Key."""

    public: bool = False
    """Needs no token, and gets none."""

    secrets: tuple[Secret, ...] = ()
    """What path and body hold of them, for errors not to repeat."""

    private_path: str | None = None
    """What to show of a path that holds a secret."""

    extra_headers: Mapping[str, str] | None = None
    timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN

    def __repr__(self) -> str:
        return f"<Call {self.operation}>"


class Arguments:
    """Checks the arguments of a call and collects every fault of them."""

    def __init__(self) -> None:
        self.faults: list[ErrorDetail] = []

    def fault(self, field: str, message: str) -> None:
        self.faults.append(ErrorDetail(field, message))

    def path(self, template: str, **values: object) -> str:
        """Puts the values into the path."""
        for name, value in values.items():
            if not isinstance(value, str) or not value.strip("."):  # dots would name another path
                self.fault(f"path.{name}", "must be a UUID" if name.endswith("_id") else "must be a token")
                continue
            if name.endswith("_id") and not _UUID.fullmatch(value):
                self.fault(f"path.{name}", "must be a UUID")
            template = template.replace("{" + name + "}", quote(value, safe=""))
        return template

    def query(self, **values: Any) -> str:
        """The query of the values that are given. None selects nothing, like one that is left out."""
        pairs = {
            name.rstrip("_"): text_of(value) if isinstance(value, datetime) else value
            for name, value in values.items()
            if value is not None and not isinstance(value, NotGiven)
        }
        for name, value in values.items():
            self.check_time(f"query.{name.rstrip('_')}", value)
        return "?" + urlencode(pairs) if pairs else ""

    def body(self, *, never_null: Sequence[str] = (), **values: Any) -> Body:
        """The JSON object of the values that are given."""
        fields: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, NotGiven):
                continue
            if value is None and name in never_null:
                self.fault(f"body.{name}", "cannot be None; leave it out to keep it as it is")
            if isinstance(value, str) and name in {"scopes", "allowed_ips"}:
                self.fault(f"body.{name}", "must be a list of strings, not one string")
            self.check_time(f"body.{name}", value)
            fields[name] = value
        try:
            text = json.dumps(fields, default=_encode, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
            return Body(text.encode())
        except (TypeError, ValueError):
            self.fault("body", "cannot be written as JSON; are all values strings, numbers, lists or dicts?")
            return Body(b"")

    def check_time(self, field: str, value: object) -> None:
        if isinstance(value, datetime) and value.tzinfo is None:
            self.fault(field, "must have a timezone, such as datetime.now(timezone.utc)")

    def headers(
        self,
        *,
        workspace_id: object = NOT_GIVEN,
        if_match: object = NOT_GIVEN,
        idempotency_key: object = NOT_GIVEN,
    ) -> dict[str, str]:
        """The headers that are given. What cannot be sent is a fault, for to drop it in silence would be worse."""
        found: dict[str, str] = {}
        if isinstance(workspace_id, str) and is_uuid(workspace_id):
            found["X-Workspace-Id"] = workspace_id
        elif not isinstance(workspace_id, NotGiven):
            self.fault("header.X-Workspace-Id", NO_WORKSPACE)
        if isinstance(if_match, str) and _PRINTABLE.fullmatch(if_match):
            found["If-Match"] = if_match
        elif not isinstance(if_match, NotGiven):
            self.fault(
                "header.If-Match", "must be an ETag, such as key.etag; the keys of lists and rotations have none"
            )
        if isinstance(idempotency_key, str) and _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            found["Idempotency-Key"] = idempotency_key
        elif not isinstance(idempotency_key, NotGiven):
            told = (
                "must be 8 to 255 printable ASCII characters, with no space at either end; leave it out for a new one"
            )
            self.fault("header.Idempotency-Key", told)
        return found

    def check(self, operation: str) -> None:
        """Raises what was collected."""
        if self.faults:
            error = InvalidArgumentError("The call is not valid; nothing was sent.")
            error.operation, error.code, error.details = operation, "validation_error", tuple(self.faults)
            raise error


def is_uuid(value: str) -> bool:
    return _UUID.fullmatch(value) is not None


def text_of(time: datetime) -> str:
    """RFC 3339 in UTC."""
    if time.tzinfo is not None:
        time = time.astimezone(timezone.utc)
    return time.isoformat().replace("+00:00", "Z")


def _encode(value: object) -> object:
    if isinstance(value, datetime):
        return text_of(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError
