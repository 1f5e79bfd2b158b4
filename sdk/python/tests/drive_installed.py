"""Uses an installed keypin as its page says. What it needs comes as JSON on standard input."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import requires, version

import keypin
from keypin import AsyncKeypin, Guard, Keypin
from keypin.asgi import ProtectMiddleware  # noqa: F401  # importable without Starlette
from keypin.wsgi import require_scopes  # noqa: F401  # importable without Flask

given = json.load(sys.stdin)
assert "site-packages" in str(keypin.__file__), keypin.__file__
assert keypin.__version__ == version("keypin")
assert sorted(str(r).split(">")[0].split("<")[0] for r in requires("keypin") or []) == ["anyio", "httpx", "pydantic"]
for name in keypin.__all__:
    assert getattr(keypin, name) is not None

with Keypin(base_url=given["base_url"], token=given["token"]) as client, Guard(given["data_url"]) as guard:
    created = client.api_keys.create(name="installed", scopes=["workflows:read"])
    assert str(created.api_key) == "op_live_…"
    assert client.api_keys.verify(created.api_key).valid
    assert guard.verify(created.api_key, scopes=["workflows:read"]).valid
    assert created.id in [key.id for key in client.api_keys.list(limit=1)]
    refused = None
    try:
        client.api_keys.create(name="", scopes=["no:such"])
    except keypin.UnprocessableEntityError as error:
        refused = error
    assert refused is not None
    assert [d.field for d in refused.details] == ["body.name", "body.scopes[0]"]


async def main() -> None:
    async with AsyncKeypin(base_url=given["base_url"], token=given["token"]) as client:
        assert (await client.api_keys.get(created.id)).name == "installed"
        # More than are sent at once, so that some wait for their turn.
        probes = await asyncio.gather(*(client.health.live() for _ in range(150)))
        assert {probe.status for probe in probes} == {"ok"}
        failed: list[keypin.APIConnectionError] = []
        absent = client.with_options(base_url="http://127.0.0.1:1", max_retries=1)
        for call in (client.health.live(timeout=1e-9), absent.auth.whoami()):
            try:
                await call
            except keypin.APIConnectionError as error:
                failed.append(error)
        assert [type(error).__name__ for error in failed] == ["APITimeoutError", "APIConnectionError"]
        assert failed[1].attempts == 2, "it waited and tried again"
    async_guard = Guard(given["data_url"])
    assert (await async_guard.averify(created.api_key)).valid
    await async_guard.aclose()


asyncio.run(main())
sys.stdout.write("works")
