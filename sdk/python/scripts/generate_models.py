"""Writes src/keypin/_models.py from api/openapi.json: one pydantic model for each shape of an answer.

    python scripts/generate_models.py           # writes it
    python scripts/generate_models.py --check   # fails when it is not current

Bodies of requests have no model: they are the keyword arguments of the calls, and a test
compares those with the document.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
DOCUMENT = HERE.parents[1] / "api" / "openapi.json"
TARGET = HERE / "src" / "keypin" / "_models.py"

Schema = dict[str, Any]

# What holds all of another one's fields is one of those.
BASES = {
    "ApiKey": "Tagged",
    "CreatedApiKey": "ApiKey",
    "CreatedInvite": "Invite",
    "AcceptedInvite": "Member",
    "DeletedWorkspace": "Workspace",
}
SECRETS = {("CreatedApiKey", "api_key"), ("CreatedInvite", "token")}
# Errors are read without pydantic, which would repeat what it refuses.
LEFT_OUT = {"Error", "ErrorBody", "ErrorDetail"}
ENUMS = {
    ("live", "test", "read-only"): "KeyType",
    ("admin", "editor", "viewer"): "Role",
    ("active", "pending"): "MemberStatus",
    ("pending", "accepted", "revoked", "expired"): "InviteStatus",
    ("minute", "hour", "day"): "Granularity",
    ("clerk", "api_key"): "AuthKind",
    ("light", "dark", "system"): "Theme",
    ("active", "revoked", "all"): "KeyStatus",
    ("-created_at", "created_at", "name", "-name", "-last_used_at", "last_used_at"): "KeySort",
}
OUTCOME = "Outcome"
SCOPE = "api-keys:verify"  # only the registry of scopes holds it, which each deployment names itself
KEYWORDS = {"from"}

DOCSTRINGS = {
    "AcceptedInvite": "The membership that an invite gave.",
    "ApiKey": "A key without its plaintext.",
    "ApiKeyUsage": "How often a key was verified, counted over its whole chain of rotations.",
    "CreatedApiKey": "A new key with its plaintext, which cannot be had again.",
    "CreatedInvite": "A new invite with its token, which cannot be had again.",
    "DeletedWorkspace": "A workspace that is no more.",
    "Invite": "Lets whoever holds its token join a workspace.",
    "LastUse": "When and by whom a key was last accepted.",
    "Member": "A row of the list of members: a member, or a pending invite.",
    "Meta": "What every answer says beside its data.",
    "Pagination": "Where in a list a page is.",
    "Probe": "What a probe answers.",
    "RateLimitState": "The state of a key's limit.",
    "RotatedApiKeys": "Both ends of a rotation.",
    "SlugAvailability": "Whether a slug is free.",
    "TopApiKey": "A key's part of a workspace's usage.",
    "UsagePoint": "The verifications of one minute, hour or day.",
    "Verification": "The outcome of a check.",
    "VerifiedApiKey": "What a verification tells of a key.",
    "WhoAmI": "The caller.",
    "Workspace": "Owns keys and has members.",
    "WorkspaceSettings": "The defaults that every member sees.",
    "WorkspaceUsage": "How often a workspace's keys were verified.",
}


def main() -> int:
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    text = Generator(document["components"]["schemas"], enums_of(document)).module()
    if sys.argv[1:] == ["--check"]:
        if TARGET.read_text(encoding="utf-8") != text:
            print(f"{TARGET} is not current: run python scripts/generate_models.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


def enums_of(node: Any) -> list[list[Any]]:
    """Every enumeration of the document, so that those of parameters get a name too."""
    if isinstance(node, dict):
        own = [node["enum"]] if isinstance(node.get("enum"), list) else []
        return own + [e for value in node.values() for e in enums_of(value)]
    if isinstance(node, list):
        return [e for value in node for e in enums_of(value)]
    return []


class Generator:
    def __init__(self, schemas: dict[str, Schema], enums: list[list[Any]]) -> None:
        self.schemas = {
            name: schema for name, schema in schemas.items() if not name.endswith("Request") and name not in LEFT_OUT
        }
        self.enums: dict[str, tuple[str, ...]] = {}
        for values in enums:
            self.enum([v for v in values if v is not None])

    def module(self) -> str:
        done: list[str] = []
        for name in sorted(self.schemas):
            self.order(name, done)
        classes = "\n\n\n".join(self.model(name) for name in done)
        aliases = "\n".join(alias(name, values) for name, values in sorted(self.enums.items()))
        public = sorted(
            [*self.enums, *(n for n in done if not n.endswith("Response") and n not in {"Meta", "Pagination"})]
        )
        return (
            '"""The shapes of answers. Written by scripts/generate_models.py; not edited by hand."""\n\n'
            "from datetime import datetime\n"
            "from typing import Literal, TypeAlias\n\n"
            "from pydantic import Field\n\n"
            "from ._model import Model, Tagged\n"
            "from ._secret import Secret\n\n"
            "# A later version of the service may answer a value that this one does not know.\n"
            f"{aliases}\n\n\n{classes}\n\n\n"
            "PUBLIC = (\n" + "".join(f"    {json.dumps(n)},\n" for n in public) + ")\n"
        )

    def order(self, name: str, done: list[str]) -> None:
        """Puts what a model is made of before it."""
        if name in done:
            return
        needed = {BASES[name]} & set(self.schemas) if name in BASES else set()
        for found in references(self.schemas[name]):
            needed.add(found)
        for other in sorted(needed):
            self.order(other, done)
        done.append(name)

    def model(self, name: str) -> str:
        schema = self.schemas[name]
        base = BASES.get(name, "Model")
        fields = dict(schema["properties"])
        if base in self.schemas:
            fields = self.own_fields(name, base)
        doc = "An answer's envelope." if name.endswith("Response") else DOCSTRINGS[name]
        lines = [f"class {name}({base}):", f'    """{doc}"""']
        required = [n for n in schema["required"] if n in fields]
        for field in [*required, *(n for n in fields if n not in required)]:
            lines.append("")
            lines += self.field(name, field, fields[field], field in required)
        return "\n".join(lines)

    def own_fields(self, name: str, base: str) -> dict[str, Schema]:
        """The fields that the base does not have; those that it has must be the same."""
        fields, inherited = self.schemas[name]["properties"], self.schemas[base]["properties"]
        for field, schema in inherited.items():
            if self.type_of(name, field, fields[field]) != self.type_of(base, field, schema):
                raise SystemExit(f"{name}.{field} is not that of {base}")
        return {field: schema for field, schema in fields.items() if field not in inherited}

    def field(self, model: str, name: str, schema: Schema, required: bool) -> list[str]:
        kind = self.type_of(model, name, schema)
        optional = kind.endswith("| None") or not required
        if optional and not kind.endswith("| None"):
            kind += " | None"
        attribute = f"{name}_" if name in KEYWORDS else name
        # What may be null may be missing: an older service does not have every field.
        match (optional, attribute != name):
            case (True, True):
                value = f" = Field(default=None, alias={json.dumps(name)})"
            case (True, False):
                value = " = None"
            case (False, True):
                value = f" = Field(alias={json.dumps(name)})"
            case _:
                value = ""
        lines = [f"    {attribute}: {kind}{value}"]
        if doc := schema.get("description", ""):
            wrapped = textwrap.wrap(doc, 110)
            lines.append(f'    """{wrapped[0]}' + ('"""' if len(wrapped) == 1 else ""))
            lines += [f"    {line}" for line in wrapped[1:-1]]
            if len(wrapped) > 1:
                lines.append(f'    {wrapped[-1]}"""')
        return lines

    def type_of(self, model: str, name: str, schema: Schema) -> str:
        if (model, name) in SECRETS:
            return "Secret"
        if "$ref" in schema:
            return str(schema["$ref"]).rsplit("/", 1)[1]
        if "anyOf" in schema:
            kinds = [self.type_of(model, name, s) for s in schema["anyOf"]]
            return " | ".join(sorted(set(kinds), key=lambda k: k == "None"))
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if kinds == ["array", "null"] and model.endswith("Response"):
            kinds = ["array"]  # a list is never null, Go's encoder only could
        return " | ".join(self.simple(model, name, kind, schema) for kind in sorted(kinds, key=lambda k: k == "null"))

    def simple(self, model: str, name: str, kind: str, schema: Schema) -> str:
        match kind:
            case "null":
                return "None"
            case "array":
                return f"list[{self.type_of(model, name, schema['items'])}]"
            case "object":
                return f"dict[str, {self.type_of(model, name, schema['additionalProperties'])}]"
            case "string" if "enum" in schema:
                return self.enum([v for v in schema["enum"] if v is not None]) or "str"
            case "string" if schema.get("format") == "date-time":
                return "datetime"
        return {"string": "str", "integer": "int", "boolean": "bool"}[kind]

    def enum(self, values: list[str]) -> str | None:
        """The name of an enumeration; None where it is no more than a string."""
        if SCOPE in values or values == ["ok"]:
            return None
        name = OUTCOME if "not_found" in values and "malformed" in values else ENUMS.get(tuple(values))
        if name is None:
            raise SystemExit(f"the values {values} have no name in ENUMS")
        self.enums[name] = tuple(values)
        return name


def alias(name: str, values: tuple[str, ...]) -> str:
    quoted = [json.dumps(v) for v in values]
    line = f"{name}: TypeAlias = Literal[{', '.join(quoted)}] | str"
    if len(line) <= 120:
        return line
    return f"{name}: TypeAlias = (\n    Literal[\n" + "".join(f"        {v},\n" for v in quoted) + "    ]\n    | str\n)"


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [str(node["$ref"]).rsplit("/", 1)[1]] if "$ref" in node else []
        return own + [r for value in node.values() for r in references(value)]
    if isinstance(node, list):
        return [r for value in node for r in references(value)]
    return []


if __name__ == "__main__":
    sys.exit(main())
