"""TLS in front of a server that has none, as hosted Redis services end it: the wheel's server is built without."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from pathlib import Path

import trustme

__all__ = ["TlsFront"]


class TlsFront:
    """A loopback port that speaks TLS and passes on to a Unix socket.

    Parameters
    ----------
    behind : Path
        The server's socket.
    home : Path
        Where the certificate of the authority is written, which clients must trust.
    """

    def __init__(self, behind: Path, home: Path) -> None:
        self._behind = behind
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority = trustme.CA()
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self.authority = home / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(20), "the TLS front does not start"

    def close(self) -> None:
        """Stop listening, and cut off whoever is connected."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        listening = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._context)
        self.port = listening.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        listening.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._behind)
        await asyncio.gather(copy(reader, server_writer), copy(server_reader, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side closes."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
