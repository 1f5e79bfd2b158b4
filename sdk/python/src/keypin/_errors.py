"""What calls raise. Every error is a KeypinError."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import httpx


@dataclass(frozen=True)
class ErrorDetail:
    """One fault of a request."""

    field: str
    """The field by its JSON path, such as body.name or query.limit."""

    message: str
    """What would be right."""


@dataclass(frozen=True)
class RateLimit:
    """The state of the calling key's limit."""

    limit: int
    """Admissions in any 60 s."""

    remaining: int
    """Admissions left."""

    reset_at: datetime
    """When the oldest counted admission leaves the window."""


class KeypinError(Exception):
    """Something went wrong with a call. No error's text holds a key or a token."""

    message: str
    """A sentence for a person."""

    operation: str | None = None
    """The call by its name in the OpenAPI document, such as create-api-key."""

    code: str | None = None
    """The service's stable name of the error, such as not_found; None when the answer was
    not the service's, such as a proxy's, or there was none."""

    details: Sequence[ErrorDetail] = ()
    """Every field at fault."""

    request_id: str | None = None
    """What to name when asking for help; None when there was no answer."""

    response: httpx.Response | None = None
    """The answer; None when there was none. What was sent is not in it."""

    attempts: int = 0
    """How many requests were sent. If it is above 1, an earlier one, whose answer was lost,
    may have done the work: a deletion that ends in NotFoundError then was very likely done."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        text = f"{self.operation}: " if self.operation else ""
        if isinstance(self, APIStatusError):
            text += f"{self.status_code} "
        if self.code:
            text += f"{self.code}: "
        text += self.message
        if self.details:
            text = text.rstrip(".") + ": " + "; ".join(f"{d.field} {d.message}" for d in self.details)
        return f"{text} ({self.request_id})" if self.request_id else text


class InvalidArgumentError(KeypinError, ValueError):
    """An argument is not valid; nothing was sent. `details` names it."""


class APIConnectionError(KeypinError):
    """No answer came, or not to its end."""

    unsent: bool = False
    """No connection was made, so nothing can have been done."""

    final: bool = False
    """Another request would fare no better."""


class APITimeoutError(APIConnectionError):
    """No answer came in time."""


class APIResponseValidationError(KeypinError):
    """The answer is not what the service answers to this call. Does the base URL lead to it?"""


class APIStatusError(KeypinError):
    """The service, or who stands before it, answered that it did not do it."""

    status_code: int = 0
    response: httpx.Response

    retry_after: float | None = None
    """Seconds to wait, as Retry-After says; None when it says nothing."""

    rate_limit: RateLimit | None = None
    """The state of the calling key's limit; None when it has none, or the caller is no key."""


class BadRequestError(APIStatusError):
    """400: not from the service itself."""


class AuthenticationError(APIStatusError):
    """401: the credentials are missing or not valid."""


class PermissionDeniedError(APIStatusError):
    """403: the caller may not do this, or not in this workspace."""


class NotFoundError(APIStatusError):
    """404: there is no such thing in the workspace."""


class ConflictError(APIStatusError):
    """409: the state of the thing forbids it; `code` tells which."""


class GoneError(APIStatusError):
    """410: the invite was used, revoked or has expired."""


class PreconditionFailedError(APIStatusError):
    """412: the key has changed since it was read."""


class UnprocessableEntityError(APIStatusError):
    """422: the request is not valid; `details` names every field at fault."""


class UpgradeRequiredError(APIStatusError):
    """426: this version of the package is not served any more."""

    required_version: str | None = None
    """The lowest version that is served."""


class RateLimitError(APIStatusError):
    """429: the caller has reached its limit; `retry_after` tells when to come back."""


class InternalServerError(APIStatusError):
    """5xx: the service failed, or cannot just now."""


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    412: PreconditionFailedError,
    422: UnprocessableEntityError,
    426: UpgradeRequiredError,
    429: RateLimitError,
}


def class_of(status: int) -> type[APIStatusError]:
    """The error of a status."""
    return _BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)


# Their names are where they are imported from, and what tracebacks shall name. The cost: typing.get_type_hints
# looks up names in `keypin` and does not find all; httpx, which this module does not load, it would not find here.
for _class in list(globals().values()):
    if isinstance(_class, type) and _class.__module__ == __name__:
        _class.__module__ = "keypin"
