"""The Compose file is one, its nodes start, and its Redis is what it says."""

from __future__ import annotations

import importlib.resources
import ipaddress
import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import PATIENCE, ROOT, Keypin, docker_environment, find, free_port, read_yaml, seconds

FILE = "deploy/compose.yaml"
SECRETS = {"POSTGRES_PASSWORD": "0" * 16, "REDIS_PASSWORD": "1" * 16, "KEYPIN_DATA_TOKEN": "2" * 16}
NODES = ("node-1", "node-2")


def fill(value: Any) -> Any:
    """The value with its variables replaced, as Compose does."""
    match value:
        case dict():
            return {k: fill(v) for k, v in value.items()}
        case list():
            return [fill(v) for v in value]
        case str():
            filled = re.sub(r"(?<!\$)\$\{(\w+):\?[^}]*\}", lambda m: SECRETS[m[1]], value)
            return filled.replace("$$", "$")
    return value


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return fill(read_yaml(FILE))


def environment(compose: dict[str, Any], node: str) -> dict[str, str]:
    return docker_environment() | compose["services"][node]["environment"]


def test_the_file_is_as_the_compose_specification_says(compose: dict[str, Any]) -> None:
    schema = importlib.resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json")
    check = jsonschema.validators.validator_for(s := json.loads(schema.read_text()))(s)
    assert [e.message for e in check.iter_errors(compose)] == []
    broken = compose | {"services": {"node-1": {"imagine": "keypin"}}}
    assert [e.message for e in check.iter_errors(broken)], "the schema takes anything"


def test_every_secret_is_asked_for_and_made_by_the_line_at_the_head() -> None:
    text = (ROOT / FILE).read_text()
    (made,) = re.findall(r"for name in ([A-Z_ ]+); do", text)
    assert set(made.split()) == set(SECRETS) == set(re.findall(r"\$\{(\w+)", text))
    assert not re.search(r"\$\{\w+[^:\w]", text), "a secret that is not set must stop Compose"
    assert "/.env\n" in (ROOT / "deploy" / ".gitignore").read_text()


@pytest.mark.parametrize("node", NODES)
def test_a_node_starts_with_what_the_file_sets(keypin: Keypin, compose: dict[str, Any], node: str) -> None:
    assert keypin.refusal(**environment(compose, node)) == ""
    without = {k: v for k, v in environment(compose, node).items() if k != "KEYPIN_INSECURE_LOCAL_ISSUER"}
    assert "issuers" in keypin.refusal(**without)
    service = compose["services"][node]
    assert seconds(service["stop_grace_period"]) > keypin.drain(**environment(compose, node)) + 5


def test_the_parts_of_the_file_fit_together(keypin: Keypin, compose: dict[str, Any]) -> None:
    services, (subnet,) = compose["services"], compose["networks"]["inside"]["ipam"]["config"]
    nginx = (ROOT / "deploy" / "nginx.conf").read_text()
    for node in NODES:
        settings = keypin.settings(**environment(compose, node))
        port = settings["listen"].split(":")[1]
        assert f"server {node}:{port} " in nginx
        assert settings["trusted_proxies"].removesuffix("/32") == services["nginx"]["networks"]["inside"]["ipv4_address"]
        assert "ports" not in services[node], "the listeners are nginx's to reach"
        assert settings["data_listen"].split(":")[1] not in nginx.replace("The data listener (8081)", "")
    network = ipaddress.ip_network(subnet["subnet"])
    for name in (*NODES, "nginx"):
        assert ipaddress.ip_address(services[name]["networks"]["inside"]["ipv4_address"]) in network
    assert {tuple(h.split(":")) for h in services["nginx"]["extra_hosts"]} == {
        (node, services[node]["networks"]["inside"]["ipv4_address"]) for node in NODES
    }
    (published,) = services["nginx"]["ports"]
    assert published.startswith("127.0.0.1:") and f"listen {published.rsplit(':')[-1]};" in nginx
    (mounted,) = services["nginx"]["volumes"]
    source, target, mode = mounted.split(":")
    assert (ROOT / "deploy" / source).is_file() and target in services["nginx"]["entrypoint"] and mode == "ro"
    volumes = {v.split(":")[0] for s in services.values() for v in s.get("volumes", []) if not v.startswith(".")}
    assert volumes == set(compose["volumes"])
    for service in services.values():
        assert set(service.get("depends_on", [])) <= set(services)


def test_every_service_is_hardened(compose: dict[str, Any]) -> None:
    image = (ROOT / "Dockerfile").read_text()
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "user" in service or (service["image"] == "keypin" and "\nUSER 65532" in image), name


def test_the_redis_of_the_file_keeps_what_it_is_told_and_asks_for_the_password(
    compose: dict[str, Any], start: Callable[..., Any], tmp_path: Path
) -> None:
    shell, option, script = compose["services"]["redis"]["command"]
    port = free_port()
    here = script.replace("--dir /data", f"--dir {tmp_path} --bind 127.0.0.1 --port {port}")
    assert here != script
    password = compose["services"]["redis"]["environment"]
    log = (tmp_path / "log").open("wb")
    path = {"PATH": str(Path(find("redis-server")).parent) + ":/usr/bin:/bin"}
    server = start(shell, option, here, env=path | password, stdout=log, stderr=subprocess.STDOUT)

    def ask(*command: str, **auth: str) -> str:
        asked = [find("redis-cli"), "-p", str(port), *command]
        return subprocess.run(asked, env=auth, capture_output=True, text=True, timeout=PATIENCE).stdout

    deadline = time.monotonic() + PATIENCE
    while "PONG" not in ask("ping", **password):
        assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.05)
    assert "NOAUTH" in ask("ping")
    for name, value in (("maxmemory-policy", "noeviction"), ("appendonly", "yes"), ("appendfsync", "everysec")):
        assert ask("config", "get", name, **password).split() == [name, value]
    server.terminate()
    assert server.wait(PATIENCE) == 0
    assert password["REDISCLI_AUTH"] not in str(server.args)
