"""Clients that hold connections, send slowly or read nothing, and clients that ask for too much.

`make soak SUITE=clients` runs the large versions, which also measure the delay of other clients.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import resource
import signal
import socket
import statistics
import threading
import time
import urllib.parse

import pytest

from programs import request
from waiting import eventually

pytestmark = pytest.mark.timeout(1800)

SOAK = bool(os.environ.get("TAPEDECK_SOAK"))
MIB = 1024


@pytest.fixture(autouse=True)
def descriptors():
    """Raises the limit of the test itself."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def connections(server):
    """Opens connections: `connect(request, address, buffer)`; all are closed at the end."""
    sockets = []
    where = urllib.parse.urlsplit(server.url)

    def connect(text: str = "", source: str = "127.0.0.1", buffer: int | None = None) -> socket.socket:
        connection = socket.socket()
        sockets.append(connection)
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(60)
        connection.bind((source, 0))
        connection.connect((where.hostname, where.port))
        with contextlib.suppress(ConnectionError):
            connection.sendall(text.encode())
        return connection

    try:
        yield connect
    finally:
        for connection in sockets:
            connection.close()


def memory_kib(server) -> int:
    text = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:"))


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection; what it sent before is read."""
    connection.setblocking(False)
    try:
        while connection.recv(1 << 20):
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


class Pulse(threading.Thread):
    """Asks for a light answer again and again, and keeps the times."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.times: list[float] = []
        self.errors: list[str] = []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            start = time.monotonic()
            try:
                reply = request(self.server.url, "GET", "/livez", timeout=30)
                assert reply.status == 200
            except (OSError, AssertionError) as error:
                self.errors.append(repr(error))
            self.times.append(time.monotonic() - start)
            self.over.wait(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.times, n=100)[-1] if len(self.times) > 1 else 0


# 20,000 are more than some machines allow.
LIMITS = [96, 1024, 20_000] if SOAK else [96, 1024]


@pytest.mark.parametrize("limit", LIMITS)
def test_idle_connections_neither_end_the_server_nor_its_work(make_server, sandbox, limit):
    count = 5000 if SOAK else min(1100, limit + 30)
    ids = [f"short-{number:04}" for number in range(1, 41 if SOAK else 11)]
    for _ in range(20 if SOAK else 1):
        server = make_server(start=False)
        server.ok("init")
        server.token("supervisor")
        server.start(descriptors=(limit, limit))
        with connections(server) as connect:
            for id in ids:
                server.supervisor.start(id)
            for _ in range(count):
                connect()
            start = time.monotonic()
            assert server.anonymous.get("/livez").status == 200
            passed = time.monotonic() - start
            # The command socket.
            server.ok("list")
            assert not SOAK or passed < 1, f"/livez took {passed:.2f} s"
            ready = "SELECT count(*) AS n FROM recording WHERE archived_at IS NOT NULL"
            eventually(lambda: server.data.rows(ready)[0]["n"] == len(ids))
            assert server.process.popen.poll() is None
        for id in ids:
            assert server.data.original(id) == sandbox.file(id)
        assert server.terminate() == 0


def test_the_soft_limit_of_descriptors_is_raised(make_server):
    server = make_server(start=False)
    server.start(descriptors=(256, 2048))
    assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (2048, 2048)


def test_one_address_cannot_take_all_connections(make_server):
    server = make_server(TAPEDECK_CONNECTIONS_PER_ADDRESS="20")
    with connections(server) as connect:
        other = connect("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", source="127.0.0.9")
        assert other.recv(1000).startswith(b"HTTP/1.1 200")
        held = [connect() for _ in range(60)]
        eventually(lambda: sum(not is_closed(connection) for connection in held) <= 20)
        assert not is_closed(held[-1]) and not is_closed(other)
        assert server.anonymous.get("/livez").status == 200


def test_clients_that_read_nothing_take_little_memory(make_server, sandbox):
    # More than the operating system buffers.
    id, count = ("huge-1gb", 400) if SOAK else ("small-01", 60)
    server = make_server(TAPEDECK_STREAMS_PER_IDENTITY="1000")
    assert server.supervisor.ingest(id, timeout=1800).status == 200
    assert server.supervisor.get("/livez").status == 200
    before = memory_kib(server)
    head = f"GET /audio/{id}/original HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.token('supervisor')}\r\n\r\n"
    with Pulse(server) as pulse, connections(server) as connect:
        held = [connect(head, buffer=4096) for _ in range(count)]
        for connection in held:
            assert connection.recv(12) == b"HTTP/1.1 200"
        during = memory_kib(server)
    eventually(lambda: memory_kib(server) < before + 20 * MIB)
    print(f"{count} clients: {before / MIB:.0f} MiB, {during / MIB:.0f} during, {memory_kib(server) / MIB:.0f} after; "
          f"p99 of others {pulse.p99 * 1000:.0f} ms")
    # 64 KiB each for the piece and as much for its connection.
    assert during < before + 20 * MIB + count * 256
    assert not SOAK or during < 200 * MIB
    assert not pulse.errors


def test_an_identity_has_a_limited_number_of_streams(make_server, sandbox):
    server = make_server(TAPEDECK_STREAMS_PER_IDENTITY="3")
    assert server.supervisor.ingest("small-01").status == 200

    def head(role: str) -> str:
        return f"GET /audio/small-01/original HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.token(role)}\r\n\r\n"

    with connections(server) as connect:
        held = [connect(head("supervisor"), buffer=4096) for _ in range(3)]
        for connection in held:
            assert connection.recv(12) == b"HTTP/1.1 200"
        reply = server.supervisor.get("/audio/small-01/original")
        assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "too_many_streams", "10")
        # Short ranges, as players ask for them, and other identities are not affected.
        assert server.supervisor.get("/audio/small-01/original", Range="bytes=0-999").status == 206
        assert server.agent.get("/audio/small-01/original").status == 200
        held[0].close()
        eventually(lambda: server.supervisor.get("/audio/small-01/original").status == 200)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_of_other_meanings_do_not_stop_the_server(server, number):
    os.kill(server.pid, number)
    assert server.supervisor.ingest("short-0001").status == 200
    assert server.process.popen.poll() is None


@pytest.mark.parametrize("text", [
    "GET /livez HTTP/1.0\r\n\r\n", "GET /livez HTTP/1.0\r\nHost: a\r\n\r\n", "GET /missing HTTP/1.0\r\n\r\n",
    "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /livez HTTP/1.1\r\n\r\n",
    "POST /login HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
def test_a_connection_that_does_not_persist_is_closed_after_its_response(server, text):
    with connections(server) as connect:
        connection = connect(text)
        reply = b""
        while piece := connection.recv(1 << 16):
            reply += piece
        assert reply.startswith(b"HTTP/1.1 ") and b"connection: close" in reply.lower()


def test_many_unknown_ids_of_one_identity_do_not_delay_others(make_server, sandbox):
    count = 10_000 if SOAK else 150
    server = make_server(CXONE_RATE="20", CXONE_BURST="1")
    for number in range(count):
        assert server.agent.ingest(f"bogus-{number}", Prefer="respond-async").status in (202, 404)
    sandbox.forget_requests()
    start = time.monotonic()
    assert server.supervisor.ingest("short-0001").status == 200
    passed = time.monotonic() - start
    ids = [entry.get("recording") for entry in sandbox.ledger()["recent"]]
    between = [id for id in ids[:ids.index("short-0001")] if id]
    print(f"{len(between)} requests before the one of the supervisor, {passed:.2f} s in all")
    # The requests that were being sent, and one of the agent for each of the supervisor.
    assert len(between) <= 20
    open_jobs = "SELECT count(*) AS n FROM job WHERE run_state IN ('idle', 'waiting', 'leased')"
    assert server.data.rows(open_jobs)[0]["n"] > 20, "the agent's jobs were done too early for this test"


def test_slow_bodies_end_and_do_not_delay_others(server):
    count = 10_000 if SOAK else 50
    before = memory_kib(server)
    head = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n"
    with Pulse(server) as calm:
        eventually(lambda: len(calm.times) > 100)
    with Pulse(server) as pulse, connections(server) as connect:
        held = [connect(head, source=f"127.0.1.{number % 40 + 1}") for number in range(count)]
        during = memory_kib(server)

        def are_closed() -> bool:
            for connection in held:
                with contextlib.suppress(OSError):
                    connection.send(b"x")
            return all(is_closed(connection) for connection in held)

        eventually(are_closed, within=300, every=1)
    print(f"{before / MIB:.0f} MiB, {during / MIB:.0f} during; p99 {calm.p99 * 1000:.0f} and {pulse.p99 * 1000:.0f} ms")
    assert during < 200 * MIB and not pulse.errors
    eventually(lambda: memory_kib(server) < before + 20 * MIB)
