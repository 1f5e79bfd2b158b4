"""The mark of an argument that was left out, where None means something else."""

from __future__ import annotations

from typing import Final, Literal


class NotGiven:
    """An argument that was left out. `None` differs: it clears what is there.

    >>> client.api_keys.update(key.id, name="Nightly export")   # expires_at stays as it is
    >>> client.api_keys.update(key.id, expires_at=None)         # the key never expires
    """

    __module__ = "keypin"  # where it is imported from

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"

    def __copy__(self) -> NotGiven:
        return self

    def __deepcopy__(self, memo: object) -> NotGiven:
        return self

    def __reduce__(self) -> str:
        return "NOT_GIVEN"  # the one that there is


NOT_GIVEN: Final = NotGiven()
