"""Every snippet of the package's README runs as it is printed, against the real binary."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from service import PACKAGE, Service
from test_middleware import asgi_sender, wsgi_sender

README = PACKAGE / "README.md"


def snippets(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


ALL = [pytest.param(text, id=str(number)) for number, text in enumerate(snippets(README, "python"))]


def test_there_are_snippets() -> None:
    assert len(ALL) >= 10


@pytest.mark.parametrize("text", ALL)
def test_a_snippet_runs(
    text: str, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEYPIN_BASE_URL", service.base_url)
    monkeypatch.setenv("KEYPIN_TOKEN", service.token())
    # The addresses of the page are those of a service that was started without options.
    text = text.replace("http://127.0.0.1:8081", service.data_url)
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(text, "snippet", "exec"), names)  # the page is ours
    if "guard" in names:
        names["guard"].close()
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"print\(.*?\) +# (.*)$", text, re.MULTILINE)
    for line in promised:
        if re.fullmatch(r"op_live_…|True|False revoked|\[.*\]", line):
            assert line in printed
        elif line.startswith("body.name"):
            assert any(shown.startswith(line.removesuffix(" …")) for shown in printed)


@pytest.mark.parametrize("text", [text for text in ALL if "app = F" in str(text.values[0])])
def test_the_app_of_a_snippet_lets_a_key_in(text: str, service: Service) -> None:
    from keypin import Keypin

    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(text.replace("http://127.0.0.1:8081", service.data_url), "snippet", "exec"), names)  # as above
    client = Keypin(base_url=service.base_url, token=service.token())
    key = client.api_keys.create(name="caller", scopes=["workflows:read"]).api_key.reveal()
    app = names["app"]
    send = wsgi_sender(app) if hasattr(app, "wsgi_app") else asgi_sender(app)
    assert send("GET", "/workflows").status_code == 401
    assert send("GET", "/workflows", headers={"X-API-Key": key}).status_code == 200
    guard = names.get("guard")
    if guard is not None:
        guard.close()
