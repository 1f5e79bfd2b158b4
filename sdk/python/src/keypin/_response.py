"""An answer with all that it says beside its data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._errors import APIResponseValidationError, RateLimit

if TYPE_CHECKING:
    import httpx

    from ._call import Call

T = TypeVar("T")
U = TypeVar("U")


class APIResponse(Generic[T]):
    """What `with_raw_response` calls return.

    >>> answer = client.api_keys.with_raw_response.get(key_id)
    >>> answer.request_id, answer.rate_limit
    >>> key = answer.parse()
    """

    __module__ = "keypin"  # where it is imported from

    attempts: int
    """How many requests were sent."""

    def __init__(
        self, response: httpx.Response, attempts: int, call: Call[Any], finish: Callable[[httpx.Response], T]
    ) -> None:
        self.attempts = attempts
        self._response = response
        self._call = call
        self._finish = finish
        self._parsed: list[T] = []

    @property
    def http_response(self) -> httpx.Response:
        """The answer, read to its end. That of a creation holds the plaintext.

        Its request is without the token and the body that were sent.
        """
        return forget_request(self._response, self._call)

    @property
    def status_code(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> httpx.Headers:
        return self._response.headers

    @property
    def request_id(self) -> str | None:
        """What to name when asking for help."""
        return request_id(self._response)

    @property
    def rate_limit(self) -> RateLimit | None:
        """The state of the calling key's limit; None when it has none, or the caller is no key."""
        return rate_limit(self._response)

    @property
    def replayed(self) -> bool:
        """This is the stored answer of an earlier request with the same Idempotency-Key."""
        return bool(self.headers.get("Idempotent-Replayed") == "true")

    @property
    def stale(self) -> bool:
        """The verification rests on a state that could not be proven fresh, which a service
        does only if it is configured to."""
        return "X-Keypin-Stale" in self.headers

    def parse(self) -> T:
        """The data, as the call without `with_raw_response` returns it."""
        if not self._parsed:
            try:
                self._parsed.append(self._finish(self._response))
            except ValueError as fault:
                # Not chained: pydantic's error repeats the values, a secret among them.
                raise self._not_ours(fault) from None
        return self._parsed[0]

    def _map(self, change: Callable[[T], U]) -> APIResponse[U]:
        """The same answer, whose data is changed when it is parsed."""
        return APIResponse(self._response, self.attempts, self._call, lambda response: change(self._finish(response)))

    def _not_ours(self, fault: ValueError) -> APIResponseValidationError:
        error = APIResponseValidationError(
            f"the answer is not what the service answers to this call ({_where(fault)}); does the base URL lead to it?"
        )
        error.operation, error.attempts = self._call.operation, self.attempts
        error.response, error.request_id = self.http_response, self.request_id
        return error

    def __repr__(self) -> str:
        return f"<APIResponse [{self.status_code}] {self._call.operation} {self.request_id}>"


HIDDEN_HEADERS = {"authorization", "idempotency-key", "proxy-authorization", "cookie", "x-api-key", "x-keypin-token"}
"""What was sent with these is a credential, or as good as one."""


def forget_request(response: httpx.Response, call: Call[Any]) -> httpx.Response:
    """Leaves of what was sent only what may be printed."""
    import httpx

    sent = response.request
    if call.body is not None or call.private_path is not None or not HIDDEN_HEADERS.isdisjoint(sent.headers):
        shown = str(sent.url)  # of a path with a secret the one to show
        headers = [(name, value) for name, value in sent.headers.multi_items() if name.lower() not in HIDDEN_HEADERS]
        response.request = httpx.Request(sent.method, shown, headers=headers)
    return response


def _where(fault: ValueError) -> str:
    """Where an answer is wrong, without what stands there."""
    details: Callable[..., list[dict[str, Any]]] | None = getattr(fault, "errors", None)
    if details is None:
        return "it is not JSON"
    first = details(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['type']}" if place else str(first["type"])


def request_id(response: httpx.Response) -> str | None:
    """The answer's; None for what no request id looks like."""
    value: str = response.headers.get("X-Request-Id", "")
    return value if 0 < len(value) <= 128 and value.isascii() and value.isprintable() and " " not in value else None


def rate_limit(response: httpx.Response) -> RateLimit | None:
    """Reads X-RateLimit-*; None without them."""
    get = response.headers.get
    try:
        reset = datetime.fromtimestamp(int(get("X-RateLimit-Reset", "")), timezone.utc)
        return RateLimit(int(get("X-RateLimit-Limit", "")), int(get("X-RateLimit-Remaining", "")), reset)
    except (ValueError, OverflowError, OSError):
        return None
