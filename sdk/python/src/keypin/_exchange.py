"""What the synchronous and the asynchronous client have in common: nothing in here waits."""

from __future__ import annotations

import json
import platform
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from ._call import Call
from ._errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ErrorDetail,
    InvalidArgumentError,
    KeypinError,
    UpgradeRequiredError,
    class_of,
)
from ._gate import AT_ONCE
from ._response import HIDDEN_HEADERS, forget_request, rate_limit, request_id
from ._secret import Secret
from ._version import __version__

if TYPE_CHECKING:
    from ._world import World

T = TypeVar("T")

MAX_ANSWER = 32 << 20
"""Bytes. A page of 100 keys, each as large as a key can be, is 10 MiB."""

DEFAULT_TIMEOUT = 30.0
CONNECT_WITHIN = 5.0
LIMITS = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)

_UNSENT_SHARE = 0.9
"""Of the time for a request as a whole: what takes longer before anything is sent ends first, and is known as that."""

_MAX_TEXT = 500  # characters of a message
_MAX_DETAILS = 64
_CODE = re.compile(r"[a-z_]{1,64}")
_TOKEN = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?")

USER_AGENT = f"keypin-python/{__version__} python/{platform.python_version()}"


def invalid(message: str) -> InvalidArgumentError:
    return InvalidArgumentError(message)


def base_of(url: str | None) -> str:
    """Checks the base URL. Errors do not repeat it, for it may hold a password."""
    if not url:
        raise invalid("there is no base URL: pass base_url=, such as https://keys.example.com, or set KEYPIN_BASE_URL")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise invalid("the base URL is not a URL") from None
    if parts.scheme not in {"http", "https"}:
        raise invalid("the base URL must begin with https:// or http://")
    if not host:
        raise invalid("the base URL must name a host")
    if parts.username is not None or parts.password is not None:
        raise invalid("the base URL must not hold a user or password; use api_key= or token=")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise invalid("the base URL must not have a query or a fragment")
    base = url.rstrip("/")
    if base.endswith("/api/v1"):
        raise invalid("the base URL must be without /api/v1, which the calls add")
    return base


def token_of(value: object) -> Secret:
    """Checks a token, which a function may have made."""
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str) or not text:
        raise invalid("the token is empty, or not a string")
    if not _TOKEN.fullmatch(text):
        raise invalid("the token has a space, a control character or the like; was it read with the end of its line?")
    return Secret(text)


def origin_of(base: str) -> str:
    """Scheme, host and port of a base URL."""
    parts = urlsplit(base)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    port = parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{host}:{port}"


def check_headers(argument: str, headers: Mapping[Any, Any] | None) -> None:
    """Refuses headers that cannot be sent. Errors do not repeat a value, for it may be a credential."""
    if headers is not None and not isinstance(headers, Mapping):
        raise invalid(f"{argument} must be a dict of names and values, such as {{'X-Trace-Id': '9f1c1a52'}}")
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise invalid(f"{argument} must have header names of ASCII letters, digits and hyphens, such as X-Trace-Id")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise invalid(
                f"{argument}: the value of {name} must be a string of printable ASCII characters, "
                "without a space at either end"
            )


def secrets_of(call: Call[Any], token: Secret | None, sent: Mapping[str, str]) -> tuple[Secret, ...]:
    """What errors must not repeat, of credentials also without what stands before them."""
    found = []
    for name in HIDDEN_HEADERS:
        value = sent.get(name, "")
        found.append(Secret(value))
        if name.endswith("authorization"):
            found.append(Secret(value.partition(" ")[2].strip()))
        elif name == "cookie":
            found += [Secret(cookie.partition("=")[2].strip(' "')) for cookie in value.split(";")]
    return (*call.secrets, *found) if token is None else (*call.secrets, token, *found)


def timeout_of(value: object) -> tuple[httpx.Timeout, float | None]:
    """Timeouts for httpx, and seconds for one request as a whole."""
    if value is None or isinstance(value, httpx.Timeout):
        return httpx.Timeout(value), None
    if not isinstance(value, (int, float)) or not value > 0:
        raise invalid("timeout must be a number of seconds above 0, or an httpx.Timeout; None = never")
    before = _UNSENT_SHARE * value
    return httpx.Timeout(value, connect=min(before, CONNECT_WITHIN), pool=before), float(value)


def connect_within(request: httpx.Request, left: float | None) -> None:
    """Lets a request that waited before connect within its share of what is left of its time."""
    if left is None:
        return
    if left <= 0:
        raise httpx.PoolTimeout("no connection became free in time")
    timeout = request.extensions["timeout"]
    timeout["connect"] = min(timeout["connect"], _UNSENT_SHARE * left)


class PrivateURL(httpx.URL):
    """A URL with a secret in its path, which logs and errors show without it."""

    shown: str = "[secret]"

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"URL({self.shown!r})"


def private(url: httpx.URL, shown: str) -> PrivateURL:
    made = PrivateURL(url)
    made.shown = shown
    return made


class Bounded(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer, which must be read to its end by a deadline and have a bounded size."""

    def __init__(self, stream: Any, world: World, deadline: float | None) -> None:
        self._stream = stream
        self._world = world
        self._deadline = deadline
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self._check(part)
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._check(part)
            yield part

    def _check(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > MAX_ANSWER:
            raise TooLarge(f"the answer is larger than {MAX_ANSWER >> 20} MiB")
        if self._deadline is not None and self._world.steady() > self._deadline:
            raise httpx.ReadTimeout("the answer came too slowly")

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


class TooLarge(Exception):
    """An answer has too many bytes."""


def no_answer(fault: Exception, base: str, secrets: tuple[Secret, ...]) -> KeypinError:
    """The error of a request that got no answer, or not to its end."""
    origin = origin_of(base)
    text = scrub(str(fault) or type(fault).__name__, secrets)
    error: APIConnectionError
    if isinstance(fault, httpx.TimeoutException):
        what = {
            httpx.ConnectTimeout: f"no connection to {origin} was made in time",
            httpx.PoolTimeout: f"no connection to {origin} became free in time",
        }.get(type(fault), f"no answer came from {origin} in time")
        error = APITimeoutError(what)
    else:
        error = APIConnectionError(f"no answer from {origin}: {text}")
    error.unsent = isinstance(fault, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    error.final = isinstance(
        fault, (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, TooLarge)
    ) or _certificate_refused(fault)
    return error


def _certificate_refused(fault: BaseException | None) -> bool:
    for _ in range(8):
        if fault is None:
            return False
        if isinstance(fault, ssl.SSLCertVerificationError):
            return True
        fault = fault.__cause__ or fault.__context__
    return False


def refusal(
    response: httpx.Response, call: Call[Any], world: World, secrets: tuple[Secret, ...], with_token: bool
) -> APIStatusError:
    """The error of an answer that is not a 2xx."""
    status = response.status_code
    code, message, details = _told(response, secrets)
    error = class_of(status)(message)
    error.status_code, error.code, error.details = status, code, details
    error.response, error.request_id = forget_request(response, call), request_id(response)
    error.retry_after = retry_after(response.headers.get("Retry-After", ""), world.now())
    error.rate_limit = rate_limit(response)
    if isinstance(error, UpgradeRequiredError):
        error.required_version = response.headers.get("X-OnePin-Required-Version")
    if status == 401 and not with_token:
        error.message += " No token was sent: pass api_key= or token=, or set KEYPIN_API_KEY."
    return error


def _told(response: httpx.Response, secrets: tuple[Secret, ...]) -> tuple[str | None, str, tuple[ErrorDetail, ...]]:
    """What the service tells; of an answer that is not its own, that."""
    try:
        told = json.loads(response.content)["error"]
        code, message, details = told["code"], told["message"], told.get("details") or []
        if not isinstance(code, str) or not isinstance(message, str) or not _CODE.fullmatch(code):
            raise ValueError
        return (
            code,
            scrub(message, secrets),
            tuple(
                ErrorDetail(scrub(d["field"], secrets), scrub(d["message"], secrets)) for d in details[:_MAX_DETAILS]
            ),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        if 300 <= response.status_code < 400:
            return None, "the answer is a redirect, which is not followed; is the base URL the service's own?", ()
        return None, "the answer is not the service's own, perhaps a proxy's", ()


def scrub(text: str, secrets: tuple[Secret, ...]) -> str:
    """Takes the secrets of the request out of a text: who answered may have put them there."""
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= 8:
            text = text.replace(value, "[secret]").replace(quote(value, safe=""), "[secret]")
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def retry_after(value: str, now: float) -> float | None:
    """Reads seconds or a date (RFC 9110 section 10.2.3); None for neither."""
    if value.isascii() and value.isdigit():
        return float(min(int(value), 2**31)) if len(value) <= 10 else float(2**31)
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    return max(0.0, at.timestamp() - now)


def merged(*headers: Mapping[str, str] | None) -> dict[str, str]:
    """Later ones before earlier ones, whatever the case of their names."""
    found: dict[str, tuple[str, str]] = {}
    for one in headers:
        for name, value in (one or {}).items():
            found[name.lower()] = (name, value)
    return dict(found.values())


def finisher(call: Call[T]) -> Callable[[httpx.Response], T]:
    """How an answer becomes what the call returns."""

    def finish(response: httpx.Response) -> T:
        from ._model import Model, keep_beside

        found = call.parse(response.content)
        if isinstance(found, Model):
            keep_beside(found, request_id=request_id(response), etag=response.headers.get("ETag"))
        return found

    return finish
