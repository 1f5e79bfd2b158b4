"""What all models of answers have in common."""

from __future__ import annotations

from typing import Any

import pydantic


class Model(pydantic.BaseModel):
    """A part of an answer. It does not change, and keeps fields that it does not know.

    A field of a later version of the service is an attribute here, and in `model_extra`.
    """

    # Built when first used: an import builds none of the thirty.
    model_config = pydantic.ConfigDict(extra="allow", frozen=True, defer_build=True, populate_by_name=True)

    @property
    def _request_id(self) -> str | None:
        """The id of the request that this answers, to name when asking for help."""
        return _beside(self, "request_id")


class Tagged(Model):
    """A model whose state has a name."""

    @property
    def etag(self) -> str | None:
        """Names this state, for `if_match`. None for what came in a list or a rotation."""
        return _beside(self, "etag")


_KEPT = "_keypin_beside"


def keep_beside(model: Model, *, request_id: str | None, etag: str | None) -> None:
    """Notes what an answer said beside its data. Dumps and comparisons do not see it."""
    model.__dict__[_KEPT] = {"request_id": request_id, "etag": etag}


def _beside(model: Model, name: str) -> str | None:
    kept: dict[str, Any] = model.__dict__.get(_KEPT, {})
    value: str | None = kept.get(name)
    return value
