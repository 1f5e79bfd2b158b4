"""What a Guard remembers, and until when it may be believed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from .._models import Verification, VerifiedApiKey

UNKNOWN_FOR = 5.0
"""Seconds for which it is believed that there is no such key."""

MAX_UNKNOWN = 1 << 12
"""Of how many keys: a flood of them evicts nothing useful."""

LOOKS = 64
"""How many keys are looked at for one to forget: a check waits no longer for room, whatever was used."""


class Known:
    """A key that is remembered. But for the marks nobody changes it."""

    __slots__ = ("allowed", "answer", "expires", "limit", "refused_until", "used")

    def __init__(
        self,
        answer: Verification,
        limit: int | None = None,
        expires: float | None = None,
        allowed: Sequence[IPv4Network | IPv6Network] = (),
    ) -> None:
        self.answer = answer
        """To whoever passes every condition: valid, or for a key that is refused whatever is asked, why."""
        self.limit = limit
        """0 = none; None = not known, because the answer came before the limit was asked."""
        self.expires = expires
        """By our steady clock; None = never."""
        self.allowed = allowed
        self.refused_until = 0.0
        """When the limit may admit again, by our steady clock; 0 = it is not known to be reached."""
        self.used = False
        """Since it was last looked at for something to forget."""

    @property
    def key(self) -> VerifiedApiKey:
        assert self.answer.api_key is not None  # noqa: S101  # only such answers are remembered
        return self.answer.api_key

    def allows(self, client_ip: str | None) -> bool:
        """Whether the key may be used from there. No addresses allow any; else no unknown one is allowed."""
        if not self.allowed:
            return True
        address = address_of(client_ip)
        return address is not None and any(address in network for network in self.allowed)


def address_of(text: str | None) -> IPv4Address | IPv6Address | None:
    """The address without its zone, which means something on its own machine only."""
    if not text:
        return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def networks_of(texts: Sequence[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks of addresses and CIDR ranges. ValueError for a form that this version does not know."""
    return tuple(ip_network(text, strict=False) for text in texts)


@dataclass(frozen=True)
class Trust:
    """Until when the memory is fresh, by both clocks: the steady one may have stood still while the machine did."""

    steady: float
    wall: float


class Memory:
    """The remembered keys, a bounded number. Reading takes no lock."""

    def __init__(self, max_keys: int) -> None:
        self._max = max_keys
        # The oldest first. A dict would look for it past the places of all that was forgotten.
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()
        self.trust: Trust | None = None
        self.epoch: str | None = None
        """Of the stream that is followed."""
        self.changes = 0
        """How often something was to be forgotten: an answer that was asked for before is not remembered."""

    def __len__(self) -> int:
        return len(self._known)

    def fresh(self, steady: float, wall: float) -> bool:
        trust = self.trust
        return trust is not None and steady < trust.steady and wall < trust.wall

    def get(self, hash_: bytes) -> Known | None:
        known = self._known.get(hash_)
        if known is not None:
            known.used = True
        return known

    def is_unknown(self, hash_: bytes, steady: float) -> bool:
        return steady < self._unknown.get(hash_, 0.0)

    def remember(self, hash_: bytes, known: Known, *, asked_at: int, epoch: str) -> None:
        """Keeps an answer, if nothing was to be forgotten since it was asked for, and it is of the epoch."""
        with self._lock:
            if self.changes != asked_at or epoch != self.epoch:
                return
            old = self._known.get(hash_)
            # One that is there knows as much, unless it does not know the limit, or that it is reached.
            if old is not None and (old.limit is not None or known.limit is None):
                old.refused_until = known.refused_until or old.refused_until
                return
            if old is None and len(self._known) >= self._max:
                self._forget_one()
            self._known[hash_] = known

    def remember_unknown(self, hash_: bytes, until: float, *, asked_at: int, epoch: str) -> None:
        """Keeps that there is no such key, on the same conditions."""
        with self._lock:
            if self.changes != asked_at or epoch != self.epoch:
                return
            self._unknown[hash_] = until
            self._unknown.move_to_end(hash_)
            if len(self._unknown) > MAX_UNKNOWN:
                self._unknown.popitem(last=False)

    def _forget_one(self) -> None:
        """Makes room: the oldest that was not used since it was last looked at; where many were, the oldest."""
        for _ in range(min(LOOKS, len(self._known))):
            hash_, known = next(iter(self._known.items()))
            if not known.used:
                break
            known.used = False
            self._known.move_to_end(hash_)
        self._known.popitem(last=False)

    def forget(self, hash_: bytes) -> None:
        """Forgets a key, and what is being asked."""
        with self._lock:
            self.changes += 1
            self._known.pop(hash_, None)
            self._unknown.pop(hash_, None)

    def forget_workspace(self, workspace_id: str) -> None:
        """Forgets a workspace's keys, and what is being asked."""
        with self._lock:
            self.changes += 1
            for hash_ in [h for h, known in self._known.items() if known.key.workspace_id == workspace_id]:
                del self._known[hash_]

    def begin_epoch(self, epoch: str) -> None:
        """Forgets everything. What is asked from now on may be remembered: the stream tells of the changes after it."""
        self.trust = None
        with self._lock:
            self.changes += 1
            self._known.clear()
            self._unknown.clear()
            self.epoch = epoch
