"""Writes src/keypin/_sync from src/keypin/_async: the same code without await.

python scripts/generate_sync.py           # writes it
python scripts/generate_sync.py --check   # fails when it is not current
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "keypin"
NOTE = "# Written by scripts/generate_sync.py; not edited by hand.\n"

# In this order.
CHANGES = [
    (r"\basync def ", "def "),
    (r"\basync with\b", "with"),
    (r"\basync for ", "for "),
    (r"\bawait ", ""),
    (r"\s+\| Awaitable\[str \| Secret\](?=\])", ""),
    (r"\n        if inspect\.isawaitable\(made\):\n            made = made\n", "\n"),
    (r"import inspect\n", ""),
    (r"import Awaitable, Callable\b", "import Callable"),
    (r"\bAsyncPaginator\b", "SyncPage"),
    (r"\basync_(?=raw|within)", "sync_"),
    (r"\bhttpx\.AsyncClient\b", "httpx.Client"),
    (r"\bAsyncKeypin", "Keypin"),
    (r"\bAsyncToken\b", "Token"),
    (r"\bAsync(?=Resource|Transport|Connections|Gate)", "Sync"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"\baclose\b", "close"),
    (r"\baread\b", "read"),
    (r"\basleep\b", "sleep"),
    (r"many tasks of one event loop", "many threads"),
    # What a thread waits for cannot be interrupted.
    (
        r"timeout: seconds that one request may take, from [^;]*;",
        "timeout: seconds in which an answer must have come to its end, as is seen at each part of its\n"
        "            body, and that every step before may take: to get a free connection, to connect (at\n"
        "            most 5), to send, to wait for the answer's next bytes;",
    ),
    (r"asynchronous client\. `_sync` is made of this folder by scripts/generate_sync\.py", "synchronous client"),
]


def synchronous(text: str) -> str:
    for pattern, replacement in CHANGES:
        text = re.sub(pattern, replacement, text)
    return NOTE + text


def main() -> int:
    stale = []
    for source in sorted((PACKAGE / "_async").glob("*.py")):
        target = PACKAGE / "_sync" / source.name
        text = synchronous(source.read_text(encoding="utf-8"))
        if sys.argv[1:] == ["--check"]:
            if not target.is_file() or target.read_text(encoding="utf-8") != text:
                stale.append(str(target))
        else:
            target.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name} is not current: run python scripts/generate_sync.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
