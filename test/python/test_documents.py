"""The documents say what the program does."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from conftest import ROOT, clean_environment


def test_every_setting_is_documented_with_its_variable(binary: Path, tmp_path: Path) -> None:
    printed = subprocess.run(
        [binary, "config", "print"], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=30
    )
    assert printed.returncode == 0, printed.stderr
    settings = re.findall(r"^([a-z_.]+) = ", printed.stdout, re.MULTILINE)
    assert len(settings) > 10, printed.stdout
    rows = (ROOT / "docs" / "configuration.md").read_text().splitlines()
    documented = {m[1]: row for row in rows if (m := re.match(r"\| `([a-z_.]+)`", row))}
    assert set(settings) == set(documented)
    for name, row in documented.items():
        assert f"`KEYPIN_{name.upper().replace('.', '_')}`" in row, name


def test_links_between_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("test/**/*.md")]:
        if "node_modules" in document.parts:
            continue  # what a benchmark has installed is not ours
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} points to {target}"
