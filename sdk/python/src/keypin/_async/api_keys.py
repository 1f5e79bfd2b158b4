"""The calls about API keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from .. import _answers as answers
from .._call import Arguments, Call, Repeat
from .._not_given import NOT_GIVEN, NotGiven
from .._pages import AsyncPaginator
from .._resource import AsyncResource, Offset, async_raw, idempotency_key_of
from .._secret import Secret

if TYPE_CHECKING:
    import httpx

    from .. import _models as m

_KEYS = "/api/v1/api-keys"
_KEY = _KEYS + "/{key_id}"


class AsyncAPIKeys(AsyncResource):
    """`client.api_keys`: made, changed, revoked, rotated, verified."""

    @property
    def with_raw_response(self) -> AsyncAPIKeysWithRawResponse:
        """The same calls, returning answers with their headers."""
        return AsyncAPIKeysWithRawResponse(AsyncAPIKeys(self._transport, raw=True))

    def list(
        self,
        *,
        status: m.KeyStatus | NotGiven = NOT_GIVEN,
        q: str | NotGiven = NOT_GIVEN,
        key_type: m.KeyType | NotGiven = NOT_GIVEN,
        scope: str | NotGiven = NOT_GIVEN,
        created_by: str | NotGiven = NOT_GIVEN,
        sort: m.KeySort | NotGiven = NOT_GIVEN,
        offset: int | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> AsyncPaginator[m.ApiKey]:
        """Lists the workspace's keys, newest first unless `sort` says otherwise.

        `status` is active (the usable ones, the default), revoked (all others) or all; `q`
        is part of the name or of the suffix; `limit` (1 to 100, default 50) is of one page,
        iterating goes on to the end.
        """

        def page(at: Offset) -> Call[answers.Rows[m.ApiKey]]:
            args = Arguments()
            query = args.query(
                offset=at,
                limit=limit,
                status=status,
                q=q,
                key_type=key_type,
                scope=scope,
                created_by=created_by,
                sort=sort,
            )
            headers = args.headers(workspace_id=workspace_id)
            args.check("list-api-keys")
            return Call(
                operation="list-api-keys",
                method="GET",
                path=_KEYS + query,
                parse=answers.api_keys,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                takes_workspace=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )

        return self._list(page, offset)

    async def create(
        self,
        *,
        name: str,
        scopes: Sequence[str] | NotGiven | None = NOT_GIVEN,
        key_type: m.KeyType | NotGiven | None = NOT_GIVEN,
        rate_limit_per_min: int | NotGiven | None = NOT_GIVEN,
        prefix: str | NotGiven | None = NOT_GIVEN,
        expires_at: datetime | NotGiven | None = NOT_GIVEN,
        allowed_ips: Sequence[str] | NotGiven | None = NOT_GIVEN,
        metadata: Mapping[str, str] | NotGiven | None = NOT_GIVEN,
        workspace_id: str | NotGiven = NOT_GIVEN,
        idempotency_key: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.CreatedApiKey:
        """Makes a key. Its plaintext is `.api_key`, this once.

        The call's requests carry one Idempotency-Key, so that a lost answer never makes a
        second key. Pass your own (8 to 255 printable characters, hard to guess) to ask for
        the same key again from another process, within 24 h.
        """
        args = Arguments()
        body = args.body(
            never_null=("name",),
            name=name,
            scopes=scopes,
            key_type=key_type,
            rate_limit_per_min=rate_limit_per_min,
            prefix=prefix,
            expires_at=expires_at,
            allowed_ips=allowed_ips,
            metadata=metadata,
        )
        headers = args.headers(
            workspace_id=workspace_id, idempotency_key=idempotency_key_of(idempotency_key, self._transport.world)
        )
        args.check("create-api-key")
        return await self._send(
            Call(
                operation="create-api-key",
                method="POST",
                path=_KEYS,
                parse=answers.created_api_key,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                body=body,
                takes_workspace=True,
                idempotent=True,
                secrets=(Secret(headers["Idempotency-Key"]),),
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    async def get(
        self,
        key_id: str,
        *,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.ApiKey:
        """Fetches a key."""
        args = Arguments()
        path = args.path(_KEY, key_id=key_id)
        headers = args.headers(workspace_id=workspace_id)
        args.check("get-api-key")
        return await self._send(
            Call(
                operation="get-api-key",
                method="GET",
                path=path,
                parse=answers.api_key,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                takes_workspace=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    async def update(
        self,
        key_id: str,
        *,
        name: str | NotGiven = NOT_GIVEN,
        scopes: Sequence[str] | NotGiven = NOT_GIVEN,
        active: bool | NotGiven = NOT_GIVEN,
        rate_limit_per_min: int | NotGiven | None = NOT_GIVEN,
        expires_at: datetime | NotGiven | None = NOT_GIVEN,
        allowed_ips: Sequence[str] | NotGiven | None = NOT_GIVEN,
        metadata: Mapping[str, str] | NotGiven | None = NOT_GIVEN,
        if_match: str | NotGiven | None = NOT_GIVEN,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.ApiKey:
        """Changes a key that is not revoked. What is left out stays as it is.

        None clears: the limit to the service's default, the expiry to never, the addresses
        to anywhere, the metadata to none. `scopes` replaces the whole list. `active=False`
        suspends the key. With `if_match=key.etag` a key that has changed since then is left
        alone, and PreconditionFailedError raised.
        """
        args = Arguments()
        path = args.path(_KEY, key_id=key_id)
        body = args.body(
            never_null=("name", "scopes", "active"),
            name=name,
            scopes=scopes,
            active=active,
            rate_limit_per_min=rate_limit_per_min,
            expires_at=expires_at,
            allowed_ips=allowed_ips,
            metadata=metadata,
        )
        headers = args.headers(workspace_id=workspace_id, if_match=if_match)
        args.check("update-api-key")
        return await self._send(
            Call(
                operation="update-api-key",
                method="PATCH",
                path=path,
                parse=answers.api_key,
                # What the first request made would fail the second one's condition.
                repeat=Repeat.WHEN_NOTHING_DONE if "If-Match" in headers else Repeat.WHEN_UNSURE,
                headers=headers,
                body=body,
                takes_workspace=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    async def delete(
        self,
        key_id: str,
        *,
        if_match: str | NotGiven | None = NOT_GIVEN,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.ApiKey:
        """Revokes a key for good. Doing it again changes nothing and returns the key."""
        args = Arguments()
        path = args.path(_KEY, key_id=key_id)
        headers = args.headers(workspace_id=workspace_id, if_match=if_match)
        args.check("delete-api-key")
        return await self._send(
            Call(
                operation="delete-api-key",
                method="DELETE",
                path=path,
                parse=answers.api_key,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                takes_workspace=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    async def rotate(
        self,
        key_id: str,
        *,
        grace_period_seconds: int | NotGiven | None = NOT_GIVEN,
        expires_at: datetime | NotGiven | None = NOT_GIVEN,
        if_match: str | NotGiven | None = NOT_GIVEN,
        workspace_id: str | NotGiven = NOT_GIVEN,
        idempotency_key: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.RotatedApiKeys:
        """Replaces a usable key by a new one with the same settings.

        The old plaintext works on for `grace_period_seconds` (at most 7 days; left out: it
        ends at once). `expires_at` is the new key's: left out it is the old one's, None is
        never. A key that rotates itself should ask for a grace: without one it is revoked
        by the time that a lost answer could be asked for again.
        """
        args = Arguments()
        path = args.path(_KEY + "/rotate", key_id=key_id)
        body = args.body(grace_period_seconds=grace_period_seconds, expires_at=expires_at)
        headers = args.headers(
            workspace_id=workspace_id,
            if_match=if_match,
            idempotency_key=idempotency_key_of(idempotency_key, self._transport.world),
        )
        args.check("rotate-api-key")
        return await self._send(
            Call(
                operation="rotate-api-key",
                method="PATCH",
                path=path,
                parse=answers.rotated_api_keys,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                body=body,
                takes_workspace=True,
                idempotent=True,
                secrets=(Secret(headers["Idempotency-Key"]),),
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    async def verify(
        self,
        key: str | Secret,
        *,
        scopes: Sequence[str] | NotGiven | None = NOT_GIVEN,
        client_ip: str | NotGiven | None = NOT_GIVEN,
        cost: int | NotGiven | None = NOT_GIVEN,
        hold_ms: int | NotGiven | None = NOT_GIVEN,
        user_agent: str | NotGiven | None = NOT_GIVEN,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.Verification:
        """Asks whether a key is good, and spends `cost` (0 to 1000, default 1) of its limit when it is.

        A refusal is not an error: look at `.valid` and `.code`. When there is an error nothing
        is known of the key, and it must not be let through. A key that may be used from some
        addresses only is refused without `client_ip`. A verification that spends one admission
        is repeated like a read: if the first answer was lost, one too many has been counted,
        never one too few.
        """
        args = Arguments()
        secret = key if isinstance(key, Secret) else Secret(key)
        if isinstance(user_agent, str):
            user_agent = user_agent[:512]  # the most that the service takes
        body = args.body(
            key=secret.reveal(), scopes=scopes, client_ip=client_ip, cost=cost, hold_ms=hold_ms, user_agent=user_agent
        )
        headers = args.headers(workspace_id=workspace_id)
        args.check("verify-api-key")
        spends_many = isinstance(cost, int) and cost > 1
        return await self._send(
            Call(
                operation="verify-api-key",
                method="POST",
                path=_KEYS + "/verify",
                parse=answers.verification,
                repeat=Repeat.WHEN_NOTHING_DONE if spends_many else Repeat.WHEN_UNSURE,
                headers=headers,
                body=body,
                takes_workspace=True,
                secrets=(secret,),
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )

    async def usage(
        self,
        key_id: str,
        *,
        from_: datetime | NotGiven = NOT_GIVEN,
        to: datetime | NotGiven = NOT_GIVEN,
        granularity: m.Granularity | NotGiven = NOT_GIVEN,
        workspace_id: str | NotGiven = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None | NotGiven = NOT_GIVEN,
    ) -> m.ApiKeyUsage:
        """Tells how often a key was verified, over its whole chain of rotations, and how that came out."""
        args = Arguments()
        path = args.path(_KEY + "/usage", key_id=key_id)
        query = args.query(from_=from_, to=to, granularity=granularity)
        headers = args.headers(workspace_id=workspace_id)
        args.check("get-api-key-usage")
        return await self._send(
            Call(
                operation="get-api-key-usage",
                method="GET",
                path=path + query,
                parse=answers.api_key_usage,
                repeat=Repeat.WHEN_UNSURE,
                headers=headers,
                takes_workspace=True,
                extra_headers=extra_headers,
                timeout=timeout,
            )
        )


class AsyncAPIKeysWithRawResponse:
    """`client.api_keys.with_raw_response`."""

    def __init__(self, keys: AsyncAPIKeys) -> None:
        self.list = async_raw(keys.list)
        self.create = async_raw(keys.create)
        self.get = async_raw(keys.get)
        self.update = async_raw(keys.update)
        self.delete = async_raw(keys.delete)
        self.rotate = async_raw(keys.rotate)
        self.verify = async_raw(keys.verify)
        self.usage = async_raw(keys.usage)
