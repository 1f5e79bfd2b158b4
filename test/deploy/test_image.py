"""The image's last stage is made for real, and the program serves from it as nobody.

buildah builds it from the Dockerfile. What the first stage would have made is a folder
with bin/keypin here, since its base image is in a registry that a test must not need.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE, ROOT, Keypin, docker_environment, find, free_port

AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
ISSUERS = json.dumps([{"issuer": "https://login.example.com", "kind": "oidc", "audiences": ["keypin"]}])


def root(*command: str | Path) -> str:
    done = subprocess.run([*AS_ROOT, *command], capture_output=True, text=True, timeout=4 * PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image(keypin: Keypin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    """The image's configuration, and a folder with what is in it."""
    folder = tmp_path_factory.mktemp("image")
    text = (ROOT / "Dockerfile").read_text()
    context, built = folder / "context", folder / "build" / "image"
    context.mkdir()
    (context / "Dockerfile").write_text(text[text.index("\nFROM scratch") :])
    (built / "etc" / "ssl" / "certs").mkdir(parents=True)
    (built / "data").mkdir()
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", built / "etc" / "ssl" / "certs")
    for kind, line in re.findall(r"echo '(nonroot:[^']+)' >/image/etc/(\w+)", text):
        (built / "etc" / line).write_text(kind + "\n")
    shutil.copy(keypin.binary, built / "keypin")

    storage = ["--root", folder / "storage", "--runroot", folder / "run", "--storage-driver", "vfs"]
    buildah = [find("buildah"), *storage]
    try:
        root(*buildah, "bud", "--isolation", "chroot", "--build-context", f"build={folder / 'build'}", "--tag", "keypin-test", context)
        config = json.loads(root(*buildah, "inspect", "--type", "image", "keypin-test"))["OCIv1"]["config"]
        container = root(*buildah, "from", "--pull-never", "keypin-test").strip()
        yield config, Path(root(*buildah, "mount", container).strip())
    finally:
        root(*buildah, "rm", "--all")
        root("rm", "-rf", folder / "storage", folder / "run")


def test_the_image_says_who_runs_what_with_which_settings(image: tuple[dict[str, Any], Path]) -> None:
    config, _ = image
    assert config["Entrypoint"] == ["/keypin"] and config["Cmd"] == ["serve"]
    assert config["User"] == "65532:65532"
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8081/tcp"}
    assert set(config["Volumes"]) == {"/data"} and config["WorkingDir"] == "/data"
    settings = dict(v.split("=", 1) for v in config["Env"] if v.startswith("KEYPIN_"))
    assert settings == docker_environment() == {"KEYPIN_LISTEN": "0.0.0.0:8080", "KEYPIN_DATA_DIR": "/data"}


def test_the_image_holds_the_program_the_certificates_and_nothing_else(image: tuple[dict[str, Any], Path]) -> None:
    _, mounted = image
    found = root("find", mounted, "-type", "f", "-printf", "%P %m %U\n").splitlines()
    assert {line.split()[0] for line in found} == {
        "keypin", "etc/passwd", "etc/group", "etc/ssl/certs/ca-certificates.crt",
    }  # fmt: skip
    assert all(line.split()[2] == "0" for line in found), "nobody may change them"
    assert root("find", mounted / "data", "-maxdepth", "0", "-printf", "%U %G").strip() == "65532 65532"


# Enters the mounted image as a container runtime would: all of it read-only but the data's
# folder, as the image's user, with nothing that could give it more.
ENTER = """
set -eu
mounted=$1; data=$2; shift 2
mount --bind "$mounted" "$mounted"
mount --bind "$data" "$mounted/data"
mount -o remount,bind,ro "$mounted"
exec setpriv --no-new-privs env --ignore-environment "$@"
"""


class Container:
    """The image, mounted, with a folder for its data."""

    def __init__(self, image: tuple[dict[str, Any], Path], folder: Path) -> None:
        self.config, self.mounted = image
        self.data = folder / "volume"
        self.data.mkdir(mode=0o700)
        root("chown", "65532:65532", self.data)

    def command(self, *args: str, **environment: str) -> list[str]:
        variables = [*self.config["Env"], *(f"{k}={v}" for k, v in environment.items())]
        chroot = [find("chroot"), f"--userspec={self.config['User']}", "--groups=", str(self.mounted)]
        enter = ["unshare", "--mount", "sh", "-c", ENTER, "sh", str(self.mounted), str(self.data)]
        return [*AS_ROOT, *enter, *variables, *chroot, *self.config["Entrypoint"], *args]

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*args, **environment), capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture
def container(image: tuple[dict[str, Any], Path], tmp_path: Path) -> Iterator[Container]:
    made = Container(image, tmp_path)
    yield made
    root("rm", "-rf", made.data)


def test_the_image_refuses_to_serve_without_issuers(container: Container) -> None:
    refused = container.run(*container.config["Cmd"])
    assert refused.returncode == 1
    assert "issuers" in refused.stderr and "0.0.0.0:8080" in refused.stderr


def test_the_image_asks_for_a_token_where_its_data_listener_is_opened(container: Container) -> None:
    refused = container.run("config", "check", KEYPIN_ISSUERS=ISSUERS, KEYPIN_DATA_LISTEN="0.0.0.0:8081")
    assert refused.returncode == 1 and "data_token" in refused.stderr
    assert container.run("config", "check", KEYPIN_ISSUERS=ISSUERS).returncode == 0


def ask(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_image_serves_as_nobody_and_writes_its_data_only(
    container: Container, start: Callable[..., Any], tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    process = start(
        *container.command(
            *container.config["Cmd"],
            KEYPIN_ISSUERS=ISSUERS,
            KEYPIN_LISTEN=f"127.0.0.1:{port}",
            KEYPIN_DATA_LISTEN=f"127.0.0.1:{free_port()}",
        ),
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        try:
            if ask(port) == 200:
                break
        except ConnectionRefusedError:
            time.sleep(0.05)
    pid = process.pid  # every program on the way became the next one, but for sudo
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        (pid,) = map(int, children)
    try:
        look(container, pid)
    finally:
        root("kill", "-TERM", str(pid))
    assert process.wait(PATIENCE) == 0, log.read_text()


def look(container: Container, pid: int) -> None:
    """The process is nobody's, and can write to its data only."""
    status = root("cat", f"/proc/{pid}/status")
    for line in (r"Uid:\t65532\t65532\t65532\t65532", r"CapEff:\t0+", r"CapPrm:\t0+", r"NoNewPrivs:\t1", r"Groups:\t(65532)? *"):
        assert re.search(rf"^{line}$", status, re.MULTILINE), (line, status)
    mounts = root("cat", f"/proc/{pid}/mountinfo").splitlines()
    here = {m.split()[4]: m.split()[5].split(",") for m in mounts if m.split()[4] in ("/", "/data")}
    assert "ro" in here["/"] and "rw" in here["/data"]
    assert "keypin.db" in root("find", container.data, "-printf", "%f\n").split()
