"""The Guard: its threads, its questions to the service, and what it answers."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import httpx

from .. import _exchange as x
from .._answers import agrees, trusted
from .._async.client import AsyncKeypin
from .._call import Arguments, Call, Repeat
from .._errors import KeypinError
from .._models import Verification, VerificationResponse
from .._response import APIResponse
from .._secret import Secret
from .._sync.client import Keypin
from .._world import WORLD, World
from . import reports
from .decide import MALFORMED, MAX_COST, NOT_FOUND, Question, decide, known_of
from .form import hash_of, may_be_key, well_formed
from .memory import UNKNOWN_FOR, Memory, address_of
from .reports import agent_of
from .stream import EventReader, Follower, Instant, StreamError

log = logging.getLogger("keypin.guard")

ASK_WITHIN = 5.0
"""Seconds that a question to the service may take."""

SILENCE = 2.0
"""Seconds that a stream may say nothing before another one is tried."""

FIRST_RECONNECT, LAST_RECONNECT = 0.05, 2.0  # seconds

_STREAM, _REPORTS = "keypin-guard-stream", "keypin-guard-reports"  # threads

_NO_TOKEN = "none"  # noqa: S105  # not one: it keeps the environment's out until the Guard's own is put in its place

Token = str | Secret | Callable[[], str | Secret]


class Guard:
    """Checks API keys in this process. The first request with a key asks the service; from
    then on it is checked here, without the network, because the Guard follows the stream of
    what changes.

    >>> guard = Guard("http://127.0.0.1:8081")
    >>> guard.verify(presented, scopes=["workflows:read"]).valid

    Once a revocation is answered by the service, no request that arrives here more than a
    second later is let through on the old state, whatever fails. A Guard that cannot prove
    that its memory is fresh asks; and one that cannot ask raises KeypinError, which the
    middlewares answer with 503. keypin._guard.stream has the proof.

    A key with a limit needs an admission for each request, counted by the service over all
    who check it, so the service is asked each time; one that has reached its limit is
    refused here until it may try again.

    Make one Guard and keep it. It may be used by many threads and tasks. In each process,
    also in a forked one, it begins with the first check or with `start()`.
    """

    __module__ = "keypin"  # where it is imported from

    def __init__(
        self, data_url: str, *, token: Token | None = None, max_keys: int = 100_000, _world: World = WORLD
    ) -> None:
        """Makes a Guard. It sends nothing.

        data_url: where the service's data listener is, such as http://127.0.0.1:8081.
        token: its data token, if one is set.
        max_keys: how many keys are remembered.
        """
        if max_keys < 1:
            raise x.invalid("max_keys must be 1 or more")
        # Nothing from the environment: the key of the management API is not for this listener.
        client = Keypin(base_url=data_url, token=_NO_TOKEN, max_retries=0, timeout=ASK_WITHIN, _world=_world)
        self._client = client.with_options(token=token, workspace_id=None)
        self._max_keys = max_keys
        self._world = _world
        self._per_process: dict[int, _Process] = {}
        self._closed = False

    def verify(
        self,
        key: str | Secret,
        *,
        scopes: Collection[str] = (),
        client_ip: str | None = None,
        cost: int = 1,
        user_agent: str | None = None,
    ) -> Verification:
        """Answers as `api_keys.verify` does, from memory where it can; `.rate_limit` is None where it did.

        Raises KeypinError when it can neither prove that its memory is fresh nor ask: the
        key must not be let through.
        """
        here = self._here()
        question, answer = here.look(key, scopes, client_ip, cost, user_agent)
        return answer if answer is not None else here.ask(question)

    async def averify(
        self,
        key: str | Secret,
        *,
        scopes: Collection[str] = (),
        client_ip: str | None = None,
        cost: int = 1,
        user_agent: str | None = None,
    ) -> Verification:
        """`verify` for asynchronous code."""
        here = self._here()
        question, answer = here.look(key, scopes, client_ip, cost, user_agent)
        return answer if answer is not None else await here.aask(question)

    @property
    def fresh(self) -> bool:
        """Whether keys are checked from memory now. False while the stream is not there, and every check asks."""
        here = self._per_process.get(os.getpid())
        return here is not None and here.fresh()

    def start(self) -> None:
        """Begins to follow the stream in this process, before the first check does."""
        self._here()

    def close(self) -> None:
        """Stops, and reports what was used since the last report. From its beginning on the Guard refuses to check."""
        here = self._end()
        if here is not None:
            here.close()
            self._client.close()

    async def aclose(self) -> None:
        """`close` for asynchronous code."""
        from anyio import to_thread

        here = self._end()
        if here is not None:
            await here.aclose_asker()
            await to_thread.run_sync(here.close)
            self._client.close()

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Guard of {self._client.base_url}>"

    def _here(self) -> _Process:
        """What this process knows. A forked child begins anew: its parent's threads are not in it."""
        process = os.getpid()
        here = self._per_process.get(process)
        if here is None and not self._closed:
            # Of two threads that come here at once both get the same one.
            here = self._per_process.setdefault(process, _Process(self._client, self._max_keys, self._world))
            here.start()
        if here is None or self._closed:
            self._end()  # what was begun here while another thread closed it
            raise x.invalid("this Guard was closed")
        return here

    def _end(self) -> _Process | None:
        """Lets nobody check any more, and waits for nothing. Only the first who comes gets what there is to close:
        the last report goes through the client, so nobody else may close that.
        """
        self._closed = True
        here = self._per_process.pop(os.getpid(), None)
        if here is not None:
            here.stop()
        return here


class _Process:
    """A Guard's part that is one process's own."""

    def __init__(self, client: Keypin, max_keys: int, world: World) -> None:
        self._client = client
        self._world = world
        self._memory = Memory(max_keys)
        self._uses = reports.Uses()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._askers: WeakKeyDictionary[Any, AsyncKeypin] = WeakKeyDictionary()

    # Looking into the memory.

    def look(
        self, key: str | Secret, scopes: Collection[str], client_ip: str | None, cost: int, user_agent: str | None
    ) -> tuple[Question, Verification | None]:
        """The question, and its answer where the memory has one."""
        text = key.reveal() if isinstance(key, Secret) else key
        if isinstance(scopes, str):
            raise x.invalid("scopes must be a list of strings, not one string")
        if not may_be_key(text):
            return Question("", b"", scopes, client_ip, cost, user_agent), MALFORMED
        question = Question(text, hash_of(text), scopes, client_ip, cost, user_agent)
        # Before the memory is looked at: what it says then was not known to be old at this instant.
        now = self._now()
        if self._memory.fresh(now.steady, now.wall) and 0 <= cost <= MAX_COST:
            known = self._memory.get(question.hash)
            if known is not None:
                answer = decide(known, question, now.steady, datetime.fromtimestamp(now.wall, timezone.utc))
                if answer is not None and cost > 0:
                    self._uses.count(question.hash, answer.code, now.wall, client_ip, user_agent)
                return question, answer
            if self._memory.is_unknown(question.hash, now.steady):
                return question, NOT_FOUND
        if not well_formed(text):
            return question, MALFORMED
        return question, None

    def fresh(self) -> bool:
        now = self._now()
        return self._memory.fresh(now.steady, now.wall)

    def _now(self) -> Instant:
        return Instant(self._world.steady(), self._world.now())

    # Asking the service.

    def ask(self, question: Question) -> Verification:
        asked_at, sent = self._memory.changes, self._world.steady()
        answer = self._client._transport.send(_verify_call(question))
        return self._learn(question, answer, asked_at, sent)

    async def aask(self, question: Question) -> Verification:
        asked_at, sent = self._memory.changes, self._world.steady()
        answer = await self._asker()._transport.send(_verify_call(question))
        return self._learn(question, answer, asked_at, sent)

    def _learn(
        self, question: Question, answer: APIResponse[VerificationResponse], asked_at: int, sent: float
    ) -> Verification:
        """Remembers what an answer says, if it comes from the process whose stream is followed and is fresh.

        Another process's stream would have to tell of its changes.
        """
        envelope = answer.parse()
        told, epoch = envelope.data, answer.headers.get("X-Keypin-Epoch")
        if not agrees(told):
            return trusted(told)
        if epoch and not answer.stale:
            known = known_of(envelope, sent, question.cost)
            if told.code == "not_found":
                self._memory.remember_unknown(question.hash, sent + UNKNOWN_FOR, asked_at=asked_at, epoch=epoch)
            elif known is not None:
                self._memory.remember(question.hash, known, asked_at=asked_at, epoch=epoch)
        return told

    def _asker(self) -> AsyncKeypin:
        """The asynchronous client of this event loop: connections belong to one."""
        import asyncio

        loop: Any
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # of another library, such as trio
            loop = type(self)
        asker = self._askers.get(loop)
        if asker is None:
            t = self._client._transport
            asker = AsyncKeypin(base_url=t.base, token=_NO_TOKEN, max_retries=0, timeout=ASK_WITHIN, _world=t.world)
            asker = self._askers[loop] = asker.with_options(token=t.token, workspace_id=None)
        return asker

    async def aclose_asker(self) -> None:
        await self._asker().aclose()

    # Following the stream.

    def start(self) -> None:
        with self._starting:
            if self._threads or self._stopping.is_set():
                return
            for work, name in ((self._follow, _STREAM), (self._report_uses, _REPORTS)):
                thread = threading.Thread(target=work, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def stop(self) -> None:
        """Tells the threads to end, and does not wait for them."""
        self._stopping.set()

    def close(self) -> None:
        for thread in self._threads:
            thread.join(SILENCE + ASK_WITHIN + 1)
            if thread.is_alive() and thread.name == _REPORTS:
                log.warning("the last report takes too long; uses of keys that are in it may not be counted")
        self._memory.trust = None

    def _follow(self) -> None:
        """Follows the stream, one connection after another, until the Guard is closed."""
        follower, wait = Follower(self._memory), FIRST_RECONNECT
        with httpx.Client(timeout=httpx.Timeout(SILENCE)) as http:
            while not self._stopping.is_set():
                try:
                    self._connect(http, follower)
                    broken = None if follower.alive else "the stream ended before it said anything"
                except (httpx.HTTPError, httpx.InvalidURL, StreamError, KeypinError) as fault:
                    broken = str(fault) or type(fault).__name__
                except Exception:  # a function that makes tokens may raise anything, and the next time not
                    log.exception("the stream of changes could not be followed")
                    broken = "see above"
                if follower.alive:
                    wait = FIRST_RECONNECT
                if broken is not None and not self._stopping.is_set():
                    log.warning("the stream of changes broke (%s); every check asks until it is back", broken)
                # Also when the service ended it well, and expects us again: one that is about to stop ends every
                # stream at once.
                self._stopping.wait(wait + self._world.chance() * wait)
                wait = min(2 * wait, LAST_RECONNECT)

    def _connect(self, http: httpx.Client, follower: Follower) -> None:
        """Follows one connection to its end."""
        follower.alive = False  # what fails before there is a connection, such as a token, is no stream that was there
        t = self._client._transport
        headers = httpx.Headers({**t.headers, "Accept": "text/event-stream", "Accept-Encoding": "identity"})
        token = t._token()
        if token is not None:
            headers["Authorization"] = "Bearer " + token.reveal()
        if follower.last_event_id is not None:
            headers["Last-Event-ID"] = follower.last_event_id
        follower.connecting(self._now())
        with http.stream("GET", t.base + "/api/v1/invalidations", headers=headers, follow_redirects=False) as response:
            kind = response.headers.get("Content-Type", "")
            if response.status_code != 200 or not kind.startswith("text/event-stream"):
                raise StreamError(
                    f"the service answered {response.status_code} and no stream; is data_url its data listener's?"
                )
            reader, heard = EventReader(), self._world.steady()
            for part in response.iter_raw():
                now = self._now()
                for event in reader.feed(part):
                    follower.apply(event, now)
                    heard = now.steady
                if self._stopping.is_set():
                    return
                if now.steady - heard > SILENCE:
                    raise StreamError("the stream says nothing")

    # Reporting.

    def _report_uses(self) -> None:
        """Reports every 10 s until the Guard is closed, and then once more."""
        while not self._stopping.wait(reports.EVERY):
            self._report()
        self._report(last=True)

    def _report(self, *, last: bool = False) -> None:
        """Tells the service what was decided here. What it could not take just now is kept for the next report."""
        uses = self._uses.take()
        names = list(uses)
        for at in range(0, len(names), reports.AT_ONCE):
            part = {name: uses[name] for name in names[at : at + reports.AT_ONCE]}
            try:
                self._client._transport.send(_report_call(part))
            except Exception as fault:  # a function that makes tokens may raise anything
                later = reports.may_be_taken_later(fault)
                log.warning(
                    "the uses of keys could not be reported; they are %s: %s",
                    "kept for the next report" if later and not last else "not counted",
                    fault,
                    exc_info=not isinstance(fault, KeypinError),
                )
                if later:
                    if not last:
                        self._uses.give_back({name: uses[name] for name in names[at:]})
                    return


def _verify_call(question: Question) -> Call[VerificationResponse]:
    args = Arguments()
    more: dict[str, Any] = {}
    if question.scopes:
        more["scopes"] = list(question.scopes)
    address, agent = address_of(question.client_ip), agent_of(question.user_agent)
    if address is not None:
        more["client_ip"] = str(address)
    if agent:
        more["user_agent"] = agent
    call = Call(
        operation="verify-api-key",
        method="POST",
        path="/api/v1/api-keys/verify",
        parse=VerificationResponse.model_validate_json,
        repeat=Repeat.NEVER,
        headers={},
        body=args.body(key=question.key, cost=question.cost, **more),
        secrets=(Secret(question.key),),
    )
    args.check("verify-api-key")
    return call


def _report_call(uses: dict[tuple[bytes, str], Any]) -> Call[bytes]:
    return Call(
        operation="report-usage",
        method="POST",
        path="/api/v1/usage-reports",
        parse=lambda body: body,
        repeat=Repeat.NEVER,
        headers={},
        body=Arguments().body(uses=reports.lines(uses)),
    )
