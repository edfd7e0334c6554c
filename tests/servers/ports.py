"""Ports on which a server of the tests may listen."""

from __future__ import annotations

import contextlib
import random
import socket

__all__ = ["free_port"]


def free_port() -> int:
    """Return a port on which nobody listens, nor on the one 10,000 above it: nodes of a cluster talk there.

    It is below the ports that the system gives to connections, so that none of these takes it meanwhile.
    """
    while True:
        port = random.randrange(20_000, 22_000)
        with contextlib.suppress(OSError), socket.socket() as own, socket.socket() as bus:
            own.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10_000))
            return port
