"""The examples, started as their first lines say."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from keypin import Keypin
from service import PACKAGE, Service, clean_environment, eventually, free_port

EXAMPLES = {"fastapi": ["uvicorn", "fastapi_app:app"], "flask": ["flask", "--app", "flask_app", "run"]}


@contextmanager
def started(name: str, service: Service) -> Iterator[httpx.Client]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", *EXAMPLES[name], "--port", str(port)],
        cwd=PACKAGE / "examples",
        env=clean_environment(KEYPIN_DATA_URL=service.data_url, PYTHONPATH=str(PACKAGE / "src")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

            def is_up() -> bool:
                assert process.poll() is None, "the app ended"
                try:
                    return client.get("/health").status_code == 200
                except httpx.TransportError:
                    return False

            eventually(is_up, f"the {name} app is up", 30)
            yield client
    finally:
        process.terminate()
        process.wait(15)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_app_sees_a_revocation_within_a_second(name: str, service: Service, client: Keypin) -> None:
    key = client.api_keys.create(name="of the example", scopes=["workflows:read"])
    headers = {"Authorization": f"Bearer {key.api_key.reveal()}"}
    with started(name, service) as app:
        assert app.get("/workflows").status_code == 401
        assert app.get("/workflows", headers=headers).json() == {"called_with": "of the example"}
        assert app.post("/workflows", headers=headers).status_code == 403
        eventually(lambda: app.get("/health").json()["fresh"], "the app follows the stream")
        for _ in range(5):
            assert app.get("/workflows", headers=headers).status_code == 200

        client.api_keys.delete(key.id)
        answered = time.monotonic()
        late, seen = 0, False
        while (sent := time.monotonic()) - answered < 1.5:
            status = app.get("/workflows", headers=headers).status_code
            assert status in {200, 401}
            seen = seen or status == 401
            late += status == 200 and sent - answered > 1.0
        assert seen
        assert late == 0
