"""The command, run as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx

__all__ = ["Running"]


class Running:
    """``palette serve`` on a free port, and what it logs."""

    def __init__(self, *arguments, tokens=""):
        command = [sys.executable, "-m", "palette", "serve", *map(str, arguments), "--port", "0"]
        environment = {**os.environ, "PALETTE_TOKENS": tokens, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.log = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.wait_for("listening")["url"]

    def _read(self):
        for line in self.process.stderr:
            self.log.append(json.loads(line) if line.startswith("{") else {"event": line.strip()})

    def wait_for(self, event, times=1, seconds=30):
        """Return the line of an event, when it has been logged so often."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [line for line in self.log if line["event"] == event]
            if len(found) >= times:
                return found[times - 1]
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"no {event!r} in {self.log}")

    def ready(self, seconds=30):
        """Wait until it answers."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if httpx.get(self.url + "/readyz").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"not ready: {self.log}")

    def hang_up(self):
        """Send SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    def end(self, seconds=30):
        """Send SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        self.process.stderr.close()
