"""A string that is not printed, logged, written or pickled by accident."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn, final

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

_KEY = re.compile(r"([a-z][a-z0-9]{1,15}(?:_[a-z0-9]{1,15}){0,2})_[0-9A-Za-z]{32}")
_DOTS = "…"


@final
class Secret:
    """Holds a key or a token, and gives it away by `reveal()` only.

    >>> created.api_key
    Secret('op_live_…')
    >>> created.api_key.reveal()
    'op_live_0000000000000000000000000009BlC0'

    `str`, `repr`, `format`, logging and JSON see the mask: of a key its prefix, of
    anything else `…`. `model_dump()` gives the Secret itself, `model_dump(mode="json")`
    and `model_dump_json()` the mask. It is not pickled. Two Secrets are equal when their
    values are; a Secret never equals a string.
    """

    __module__ = "keypin"  # where it is imported from

    __slots__ = ("__value",)
    __value: str

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError("a Secret is made of a str")
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> str:
        """The value. Search for this name to find every place that handles plaintext."""
        return self.__value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret does not change")

    __delattr__ = __setattr__  # type: ignore[assignment]  # both refuse

    def __str__(self) -> str:
        key = _KEY.fullmatch(self.__value)
        return f"{key[1]}_{_DOTS}" if key else _DOTS

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        return compare_digest(
            self.__value.encode("utf-8", "surrogatepass"), other.__value.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled; pickle what reveal() gives if you mean to")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        made = core_schema.no_info_after_validator_function(_unmasked, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=made,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), made]),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "password", "writeOnly": True}


def _unmasked(value: str) -> Secret:
    if value.endswith(_DOTS):
        raise ValueError("this is the mask of a secret, not the secret")
    return Secret(value)
