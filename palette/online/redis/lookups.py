"""Look-ups of rows as commands, and their replies as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from palette.online.codec.byte_store import GroupCodec
from palette.online.codec.codec import UnknownSchemaError
from palette.online.codec.keys import is_absent
from palette.online.layout import Request, Row

__all__ = ["Lookups", "Route"]


class Route(NamedTuple):
    """The location of a group's rows: the prefix of its keys, its field in each hash, and its codec."""

    prefix: bytes
    field: bytes
    codec: GroupCodec


class Lookups:
    """One command an entity key, whatever the number of its groups.

    Parameters
    ----------
    requests : sequence of (str, key)
        Groups and keys.
    routes : mapping
        Group to route, as far as they are known.
    route : callable
        Returns the route of another group.

    Attributes
    ----------
    commands : list
        To be sent together; empty if all keys are null.
    rows : list
        One for each request, None until it was decoded.
    """

    def __init__(self, requests: Sequence[Request], routes: Mapping[str, Route], route: Callable[[str], Route]) -> None:
        self.commands: list[list[Any]] = []
        self.rows: list[Row | None] = [None] * len(requests)
        # For each command the indices and codecs of the rows that its reply holds.
        self._targets: list[list[tuple[int, GroupCodec]]] = []
        commands, targets = self.commands, self._targets
        # By the prefix, so that a key of several groups becomes bytes once.
        numbers: dict[tuple[bytes, Any], int] = {}
        for index, (group, key) in enumerate(requests):
            prefix, field, codec = routes.get(group) or route(group)
            number = numbers.get((prefix, key))
            if number is not None:
                commands[number].append(field)
                targets[number].append((index, codec))
            elif not is_absent(key):
                numbers[prefix, key] = len(targets)
                commands.append(["HMGET", prefix + codec.encode_key(key), field])
                targets.append([(index, codec)])

    def decode(self, replies: Sequence[Any], learn: Callable[[GroupCodec, bytes], Row | None] | None = None) -> None:
        """Decode the rows of replies; ``learn`` decodes those of a schema that is new to this process.

        Raises
        ------
        UnknownSchemaError
            If there is such a row, and no ``learn``.
        """
        rows = self.rows
        for reply, target in zip(replies, self._targets, strict=True):
            for data, (index, codec) in zip(reply, target, strict=True):
                if data is None:
                    continue
                try:
                    rows[index] = codec.rows.decode(data)
                except UnknownSchemaError:
                    if learn is None:
                        raise
                    rows[index] = learn(codec, data)
