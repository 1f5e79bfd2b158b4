"""nginx serves with deploy/nginx.conf, in front of two nodes that tell what they heard."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE, ROOT, find, free_port


@dataclass
class Node:
    """A node that answers 200, or breaks off after it has read a request."""

    port: int = field(default_factory=free_port)
    breaks: bool = False
    heard: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[Node]:
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                node.heard.append((self.command, {k.lower(): v for k, v in self.headers.items()}))
                if node.breaks:
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = answer

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@dataclass
class Proxy:
    port: int

    def ask(self, method: str, **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, "/api/v1/api-keys", body=b"{}" if method == "POST" else None, headers=headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def nodes() -> tuple[Node, Node]:
    return Node(), Node()


@pytest.fixture
def proxy(nodes: tuple[Node, Node], start: Callable[..., Any], tmp_path: Path) -> Proxy:
    """nginx with the file, of which the addresses and the folder that it may write are others."""
    proxy, text = Proxy(free_port()), (ROOT / "deploy" / "nginx.conf").read_text()
    others = [
        ("server node-1:8080 ", f"server 127.0.0.1:{nodes[0].port} "),
        ("server node-2:8080 ", f"server 127.0.0.1:{nodes[1].port} "),
        ("listen 8080;", f"listen 127.0.0.1:{proxy.port};"),
        ("worker_processes auto;", "worker_processes 1;"),
    ]
    for old, new in others:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    assert text.count(" /tmp/") == 6
    text = text.replace(" /tmp/", f" {tmp_path}/")
    if os.geteuid() == 0:  # else the processes that answer could not enter the folder
        text = "user root;\n" + text
    file = tmp_path / "nginx.conf"
    file.write_text(text)
    command = [find("nginx"), "-e", "stderr", "-c", str(file)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=PATIENCE)
    assert checked.returncode == 0 and "warn" not in checked.stderr, checked.stderr
    process = start(*command, stderr=(tmp_path / "log").open("wb"))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            # Not a request, which would put aside the nodes that are not there yet.
            socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE).close()
            break
        except ConnectionRefusedError:
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.02)
    return proxy


def test_both_nodes_hear_who_called_and_from_nobody_else(nodes: tuple[Node, Node], proxy: Proxy) -> None:
    with nodes[0].serving(), nodes[1].serving():
        for _ in range(10):
            status, _, _ = proxy.ask("GET", **{"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7"})
            assert status == 200
    for node in nodes:
        assert node.heard
        for _, headers in node.heard:
            assert headers["x-forwarded-for"] == "127.0.0.1"
            assert "forwarded" not in headers
            assert headers["host"] == f"127.0.0.1:{proxy.port}"


def test_a_node_that_is_gone_costs_no_request(nodes: tuple[Node, Node], proxy: Proxy) -> None:
    with nodes[0].serving():
        with nodes[1].serving():
            assert proxy.ask("POST")[0] == 200
        for method in ["GET", "POST"] * 10:
            assert proxy.ask(method)[0] == 200


def test_a_post_that_reached_a_node_is_not_sent_again(nodes: tuple[Node, Node], proxy: Proxy) -> None:
    for node in nodes:
        node.breaks = True
    with nodes[0].serving(), nodes[1].serving():
        assert proxy.ask("POST")[0] == 503
    assert [method for node in nodes for method, _ in node.heard] == ["POST"]


def test_without_a_node_the_answer_is_keypins_own_503(nodes: tuple[Node, Node], proxy: Proxy) -> None:
    status, headers, body = proxy.ask("GET")
    assert (status, headers["retry-after"], headers["content-type"]) == (503, "1", "application/json")
    assert json.loads(body)["error"]["code"] == "unavailable"
