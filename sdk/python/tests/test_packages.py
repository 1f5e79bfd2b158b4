"""The built wheel and sdist work in clean environments of every Python from 3.10 on that is on the machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service import PACKAGE, ROOT, Service, clean_environment
from test_readme import README, snippets

DRIVER = Path(__file__).with_name("drive_installed.py")


def run(command: Sequence[object], **more: object) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        **more,  # type: ignore[call-overload]  # what subprocess.run takes
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def pythons() -> dict[str, str]:
    """Every Python from 3.10 on: its version, and a program."""
    names = [f"python3.{minor}" for minor in range(10, 30)] + ["python3"]
    folders = [*os.environ["PATH"].split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    found = [Path(folder) / name for folder in folders for name in names]
    found += sorted(Path.home().glob(".pyenv/versions/*/bin/python"))
    found += sorted(Path.home().glob(".local/share/uv/python/*/bin/python3"))
    told = "import sys; print(sys.version.split()[0], sys.base_prefix, sys.version_info >= (3, 10))"
    versions: dict[str, str] = {}
    for program in found:
        if not program.is_file():
            continue
        asked = subprocess.run([str(program), "-I", "-c", told], capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.split()[2] == "True":
            version, prefix, _ = asked.stdout.split()
            versions.setdefault(f"{version} of {prefix}", str(program))
    return versions


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, built from the sdist, and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, PACKAGE])
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def test_the_packages_hold_what_is_needed_and_no_more(built: tuple[Path, Path]) -> None:
    wheel, sdist = built
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"keypin/py.typed", "keypin/_models.py", "keypin/_sync/client.py", "keypin/asgi.py"} <= names
    assert {name.split("/")[0] for name in names} == {"keypin", "keypin-0.1.0.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(sdist) as archive2:
        tops = {name.split("/")[1] for name in archive2.getnames() if "/" in name}
    assert tops == {"src", "examples", "README.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}


def test_the_license_is_that_of_the_repository() -> None:
    assert (PACKAGE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def install_and_use(
    python: str, folder: Path, packages: Sequence[Path], service: Service, token: str, *more: str
) -> None:
    """Each into an environment that holds nothing else."""
    given = json.dumps({"base_url": service.base_url, "data_url": service.data_url, "token": token})
    uv = [sys.executable, "-m", "uv", "--quiet", "--no-config"]
    for package in packages:
        run([*uv, "venv", "--python", python, folder])
        run([*uv, "pip", "install", "--python", folder / "bin" / "python", package, *more], cwd=ROOT)
        assert run([folder / "bin" / "python", "-I", "-X", "utf8", DRIVER], input=given, cwd=folder) == "works"
        shutil.rmtree(folder)


def test_the_packages_work_on_every_python(built: tuple[Path, Path], service: Service, tmp_path: Path) -> None:
    found = pythons()
    assert found
    sys.stderr.write(f"\ninstalling into: {', '.join(found)}\n")
    token = service.token()
    jobs = [(python, tmp_path / str(n), built) for n, python in enumerate(found.values())]
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(install_and_use, *job, service, token) for job in jobs]
    for job in done:
        job.result()


def test_the_pages_tell_how_to_install_it(service: Service, tmp_path: Path) -> None:
    assert snippets(README, "sh")[0] == "pip install ./sdk/python\n"
    install_and_use(sys.executable, tmp_path / "told", [Path("./sdk/python")], service, service.token())


def test_the_lowest_versions_that_are_asked_for_work(
    built: tuple[Path, Path], service: Service, tmp_path: Path
) -> None:
    [asked_for] = re.findall(r"^dependencies = (.*)$", (PACKAGE / "pyproject.toml").read_text(), re.MULTILINE)
    lowest = [text.split(",")[0].replace(">=", "==") for text in json.loads(asked_for)]
    oldest = min(pythons().items(), key=lambda item: [int(n) for n in item[0].split()[0].split(".")])[1]
    install_and_use(oldest, tmp_path / "lowest", built[:1], service, service.token(), *lowest)


def test_an_import_loads_nothing_that_is_not_needed_yet() -> None:
    heavy = "import keypin, sys; print(sorted({'httpx', 'pydantic', 'asyncio', 'ssl'} & set(sys.modules)))"
    assert run([sys.executable, "-c", heavy], cwd=PACKAGE / "src") == "[]\n"
    client = (
        "from keypin import Keypin; import sys; print('pydantic' in sys.modules, 'keypin._async.client' in sys.modules)"
    )
    assert run([sys.executable, "-c", client], cwd=PACKAGE / "src") == "False False\n"
