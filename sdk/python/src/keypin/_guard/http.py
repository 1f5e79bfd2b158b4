"""Keys in requests, and the answers to those that are refused."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .._errors import KeypinError
from .._models import Verification

log = logging.getLogger("keypin.guard")

REALM = 'Bearer realm="keypin"'


@dataclass(frozen=True)
class Refusal:
    """Why a request was not let through."""

    status: int
    code: str
    verification: Verification | None = None
    """The outcome; None when there was no key, or it could not be checked."""

    no_credentials: bool = False
    """The request presented none."""

    needed: tuple[str, ...] = ()
    """The scopes that were asked for, with insufficient_scope."""

    retry_after: int | None = None
    """Seconds after which to come back; None = not said."""

    error: KeypinError | None = None
    """Why the key could not be checked. It is not for the client."""

    @property
    def message(self) -> str:
        if self.no_credentials:
            return "Send an API key as Authorization: Bearer <key>, or as X-API-Key."
        if self.code == "insufficient_scope":
            return "This key lacks a scope that the request needs."
        return {
            403: "This key may not be used from this address.",
            429: "This key has reached its limit.",
            503: "Keys cannot be checked at the moment. Try again.",
        }.get(self.status, "The credentials are not valid.")

    @property
    def headers(self) -> list[tuple[str, str]]:
        found = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if self.code == "insufficient_scope":
            found.append(("WWW-Authenticate", f'{REALM}, error="insufficient_scope", scope="{" ".join(self.needed)}"'))
        elif self.status == 401:
            found.append(("WWW-Authenticate", REALM if self.no_credentials else f'{REALM}, error="invalid_token"'))
        if self.retry_after is not None:
            found.append(("Retry-After", str(self.retry_after)))
        return found

    @property
    def body(self) -> bytes:
        """The service's error object."""
        told = {"error": {"code": self.code, "message": self.message, "details": []}}
        return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def presented(authorization: Sequence[str], bare: Sequence[str]) -> tuple[str, bool]:
    """The key that these headers present, "" when there is none or not one; and whether there was anything."""
    bearer, given = "", False
    for value in authorization:
        scheme, _, credential = value.partition(" ")
        if scheme.lower() == "bearer":
            bearer, given = credential.strip(" "), True
    if not bare:
        return ("", True) if len(authorization) > 1 else (bearer, given)
    # Who reads the other one behind us would see another key.
    if len(bare) > 1 or (given and (len(authorization) > 1 or bearer != bare[0])):
        return "", True
    return bare[0], True


def no_key(given: bool) -> Refusal:
    return Refusal(401, "unauthorized", no_credentials=not given)


def lacks_scope(answer: Verification, needed: Collection[str]) -> Refusal:
    return Refusal(403, "insufficient_scope", answer, needed=tuple(needed))


def cannot_check(fault: KeypinError) -> Refusal:
    log.warning("a key could not be checked: %s", fault)
    return Refusal(503, "unavailable", retry_after=1, error=fault)


def refusal_of(answer: Verification, needed: Collection[str], now: float) -> Refusal:
    """Says in HTTP's words why a key is refused.

    What is wrong with one that is not usable is not told: it would help only who found or
    guessed it.
    """
    if answer.code == "ip_not_allowed":
        return Refusal(403, "forbidden", answer)
    if answer.code == "insufficient_scope":
        return lacks_scope(answer, needed)
    if answer.code in {"rate_limited", "quota_exceeded"}:
        after = None
        if answer.rate_limit is not None:
            after = max(1, math.ceil(answer.rate_limit.reset_at.timestamp() - now))
        return Refusal(429, answer.code, answer, retry_after=after)
    return Refusal(401, "unauthorized", answer)


class Excluded:
    """The paths that are let through without a key: exact ones, and with a star at the end all that begin so."""

    def __init__(self, paths: Collection[str]) -> None:
        if isinstance(paths, str):
            raise TypeError("exclude must be a list of paths, not one string")
        self._exact = {path for path in paths if not path.endswith("*")}
        self._beginnings = tuple(path[:-1] for path in paths if path.endswith("*"))

    def __contains__(self, path: str) -> bool:
        if path in self._exact:
            return True
        # An app that resolves dots or double slashes would see another path than the one that is looked at here.
        odd = "//" in path or "/../" in path or path.endswith("/..") or "\\" in path
        return bool(self._beginnings) and not odd and path.startswith(self._beginnings)
