"""Calls Keypin from Python.

>>> from keypin import Keypin
>>> client = Keypin(api_key="op_live_…", base_url="https://keys.example.com")
>>> created = client.api_keys.create(name="Nightly export", scopes=["workflows:read"])
>>> created.api_key.reveal()  # shown once; everywhere else it prints as op_live_…

`Keypin` and `AsyncKeypin` have the same calls. `keypin.Guard` checks keys in your own
process; `keypin.asgi` and `keypin.wsgi` put it before FastAPI, Flask and Django apps.
What is imported here is loaded when it is first used.
"""

from __future__ import annotations

from ._version import __version__

TYPE_CHECKING = False  # what checkers of types take for true; importing typing would double the time of an import

if TYPE_CHECKING:
    from ._async.client import AsyncKeypin
    from ._errors import (
        APIConnectionError,
        APIResponseValidationError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        ErrorDetail,
        GoneError,
        InternalServerError,
        InvalidArgumentError,
        KeypinError,
        NotFoundError,
        PermissionDeniedError,
        PreconditionFailedError,
        RateLimit,
        RateLimitError,
        UnprocessableEntityError,
        UpgradeRequiredError,
    )
    from ._guard.guard import Guard
    from ._not_given import NOT_GIVEN, NotGiven
    from ._pages import AsyncPage, SyncPage
    from ._response import APIResponse
    from ._secret import Secret
    from ._sync.client import Keypin

_FROM = {
    "AsyncKeypin": "_async.client",
    "Guard": "_guard.guard",
    "Keypin": "_sync.client",
    "NOT_GIVEN": "_not_given",
    "NotGiven": "_not_given",
    "AsyncPage": "_pages",
    "SyncPage": "_pages",
    "APIResponse": "_response",
    "Secret": "_secret",
}

__all__ = [
    "NOT_GIVEN",
    "APIConnectionError",
    "APIResponse",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncKeypin",
    "AsyncPage",
    "AuthenticationError",
    "BadRequestError",
    "ConflictError",
    "ErrorDetail",
    "GoneError",
    "Guard",
    "InternalServerError",
    "InvalidArgumentError",
    "Keypin",
    "KeypinError",
    "NotFoundError",
    "NotGiven",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "RateLimit",
    "RateLimitError",
    "Secret",
    "SyncPage",
    "UnprocessableEntityError",
    "UpgradeRequiredError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f".{_FROM.get(name, '_errors')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
