"""A TCP proxy that can interrupt connections."""

from __future__ import annotations

import pathlib
import re
import socket
import threading


def shut_down(*ends: socket.socket) -> None:
    """Ends connections; those that have ended already are ignored."""
    for end in ends:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class _Listener:
    """Accepts TCP connections on a free port until it is closed."""

    def __init__(self, target: int):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                self._forward(near)
            except OSError:
                near.close()

    def _forward(self, near: socket.socket) -> None:
        """Connects to the target and starts the threads of a connection."""
        raise NotImplementedError


class Proxy(_Listener):
    """Forwards TCP connections to a port. While it is cut, connections break and new ones are refused."""

    def __init__(self, target: int):
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut = False
        super().__init__(target)

    def _forward(self, near: socket.socket) -> None:
        if self._cut:
            near.close()
            return
        far = socket.create_connection(("127.0.0.1", self._target))
        with self._lock:
            self._open |= {near, far}
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with self._lock:
                self._open.discard(end)
            shut_down(end)
            end.close()

    def cut(self) -> None:
        self._cut = True
        with self._lock:
            ends = list(self._open)
        shut_down(*ends)

    def restore(self) -> None:
        self._cut = False

    def close(self) -> None:
        self._listener.close()
        self.cut()


class SlowProxy(_Listener):
    """A TCP proxy in front of a server that stops reading an audio response after some bytes, as a client that pauses.

    The server then sees a client that reads nothing. `release` ends such responses and limits no more.
    """

    def __init__(self, target: int, granted: int):
        self._granted = granted
        self._changed = threading.Condition()
        self._released = False
        #: The connections to the server that stopped reading.
        self._stalled: list[socket.socket] = []
        #: The first byte of each request for audio, in order.
        self.first_bytes: list[int] = []
        super().__init__(target)

    def _forward(self, near: socket.socket) -> None:
        far = socket.socket()
        # A small buffer, so that the server soon notices that nothing is read.
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        far.connect(("127.0.0.1", self._target))
        is_audio = threading.Event()
        threading.Thread(target=self._requests, args=(near, far, is_audio), daemon=True).start()
        threading.Thread(target=self._responses, args=(far, near, is_audio), daemon=True).start()

    def _requests(self, near: socket.socket, far: socket.socket, is_audio: threading.Event) -> None:
        try:
            while data := near.recv(65536):
                if re.match(rb"GET /audio/\S+/original ", data):
                    found = re.search(rb"\r\nRange: bytes=(\d+)-", data, re.I)
                    self.first_bytes.append(int(found[1]) if found else 0)
                    is_audio.set()
                else:
                    is_audio.clear()
                far.sendall(data)
        except OSError:
            pass
        shut_down(near, far)

    def _responses(self, far: socket.socket, near: socket.socket, is_audio: threading.Event) -> None:
        sent = 0
        try:
            while data := far.recv(16 << 10):
                near.sendall(data)
                sent = sent + len(data) if is_audio.is_set() else 0
                with self._changed:
                    if sent >= self._granted and not self._released:
                        self._stalled.append(far)
                        self._changed.wait_for(lambda: self._released)
                        break
        except OSError:
            pass
        shut_down(near, far)

    def has_stalled(self) -> bool:
        return bool(self._stalled)

    def closed_by_server(self) -> bool:
        """Whether the server has closed every connection that stopped reading, although bytes wait to be read."""
        ours = {end.getsockname()[1] for end in self._stalled}
        states = {}
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, *_ = line.split()
            if int(local.split(":")[1], 16) == self._target:
                states[int(remote.split(":")[1], 16)] = state
        established = "01"
        return all(states.get(port) != established for port in ours)

    def release(self) -> None:
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def close(self) -> None:
        self._listener.close()
        self.release()
