"""Makes calls with the Python SDK: a step of a case for each line of standard input, and
for each a line of output with what came of it. Its argument is sync or async.

What a call takes and answers has the API's names, so that a step's path, query and body
become the call's arguments as they are.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
from typing import Any

import keypin
from operations import CALLS


def call_of(client: Any, step: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    call = client
    for name in CALLS[step["call"]].split("."):
        call = getattr(call, name)
    arguments = {**step["path"], **step["query"], **step["body"]}
    expires = arguments.get("expires_at")
    if expires is not None:
        arguments["expires_at"] = datetime.datetime.fromisoformat(expires.replace("Z", "+00:00"))
    return call, arguments


def plain(value: Any) -> Any:
    """The value as JSON has it, secrets revealed."""
    if isinstance(value, keypin.Secret):
        return value.reveal()
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(by_alias=True))
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def refused(error: keypin.KeypinError) -> dict[str, Any]:
    """What is found before anything is sent, the service would have said the same of."""
    status, code = getattr(error, "status_code", 0), error.code
    if isinstance(error, keypin.InvalidArgumentError):
        status, code = 422, "validation_error"
    return {"refused": {"status": status, "code": code, "fields": [d.field for d in error.details]}}


def options(step: dict[str, Any]) -> dict[str, Any]:
    return {
        "base_url": step["url"],
        "token": step["credential"] or None,
        "workspace_id": step["workspace"] or None,
    }


def sync(step: dict[str, Any]) -> Any:
    with keypin.Keypin(**options(step)) as client:
        call, arguments = call_of(client, step)
        found = call(**arguments)
        if not step["call"].startswith("list-"):
            return plain(found)
        return walked(list(found), [page.data for page in found.iter_pages()])


async def asynchronous(step: dict[str, Any]) -> Any:
    async with keypin.AsyncKeypin(**options(step)) as client:
        call, arguments = call_of(client, step)
        found = call(**arguments)
        if not step["call"].startswith("list-"):
            return plain(await found)
        items = [item async for item in found]
        return walked(items, [page.data async for page in (await found).iter_pages()])


def walked(items: list[Any], pages: list[list[Any]]) -> Any:
    """A list that is gone through by its items and by its pages has the same of both."""
    by_items, by_pages = plain(items), plain([item for page in pages for item in page])
    assert by_items == by_pages, "a list has other items than its pages"
    return by_items


def main() -> None:
    kind = sys.argv[1]
    for line in sys.stdin:
        step = json.loads(line)
        try:
            out = {"data": sync(step) if kind == "sync" else asyncio.run(asynchronous(step))}
        except keypin.KeypinError as error:
            out = refused(error)
        print(json.dumps(out), flush=True)


main()
