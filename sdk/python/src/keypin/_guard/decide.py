"""Decides about a key from memory, in the order of the service. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._models import RateLimitState, Verification, VerificationResponse, VerifiedApiKey
from .memory import Known, networks_of

MAX_COST = 1000
"""The service's bound."""


@dataclass(frozen=True)
class Question:
    """May this key do this?"""

    key: str
    hash: bytes
    scopes: Collection[str]
    client_ip: str | None
    cost: int
    user_agent: str | None

    def __repr__(self) -> str:
        return "<Question>"  # it holds the key


def refused(code: str, key: VerifiedApiKey | None = None, limit: RateLimitState | None = None) -> Verification:
    return Verification.model_construct(valid=False, code=code, api_key=key, rate_limit=limit)


# The answers for what is no key. Nobody changes them.
MALFORMED = refused("malformed")
NOT_FOUND = refused("not_found")


def decide(known: Known, question: Question, steady: float, wall: datetime) -> Verification | None:
    """The answer; None = the service decides."""
    key = known.key
    if not known.answer.valid:  # revoked or suspended
        return known.answer
    if known.expires is not None and steady >= known.expires:
        return refused("expired", key)
    if not known.allows(question.client_ip):
        return refused("ip_not_allowed", key)
    if not all(scope in key.scopes for scope in question.scopes):
        return refused("insufficient_scope", key)
    if known.limit is None:
        return None
    if known.limit > 0 and question.cost > 0:
        # Each admission is the service's to give. One that is known not to be given need not be asked for.
        wait = known.refused_until - steady
        if wait <= 0:
            return None
        reset_at = wall + timedelta(seconds=wait)
        limit = RateLimitState.model_construct(limit=known.limit, remaining=0, reset_at=reset_at)
        return refused("rate_limited", key, limit)
    return known.answer


def known_of(answer: VerificationResponse, sent: float, cost: int = 1) -> Known | None:
    """What to remember of an answer that was asked for at sent, by the steady clock; None = nothing."""
    told, key = answer.data, answer.data.api_key
    # A field that is not there would be taken for none.
    if key is None or not {"expires_at", "allowed_ips", "scopes", "workspace_id"} <= key.model_fields_set:
        return None
    if told.code in {"revoked", "inactive"}:
        return Known(refused(told.code, key))
    limit: int | None
    if told.code in {"valid", "rate_limited"} and "rate_limit" in told.model_fields_set:
        limit = told.rate_limit.limit if told.rate_limit is not None else 0
    elif told.code in {"expired", "ip_not_allowed", "insufficient_scope"}:
        limit = None  # it was not asked
    else:
        return None  # an outcome that this version does not know
    try:
        allowed = networks_of(key.allowed_ips)
    except ValueError:
        return None  # a form that this version does not know
    expires = None if key.expires_at is None else ours(answer, sent, key.expires_at)
    good = Verification.model_construct(valid=True, code="valid", api_key=key, rate_limit=None)
    known = Known(good, limit, expires, allowed)
    state = told.rate_limit
    if told.code == "rate_limited" and cost == 1 and state is not None and state.remaining == 0:
        known.refused_until = ours(answer, sent, state.reset_at)
    return known


def ours(answer: VerificationResponse, sent: float, at: datetime) -> float:
    """When the service's clock shows this, by our steady one: no later than that."""
    return sent + (at - answer.meta.timestamp).total_seconds()
