"""Clients that hold connections, send slowly or read nothing, and clients that ask for too much.

`make soak SUITE=clients` runs the large versions on the release build; they also compare the delay of other clients with
and without each attack. Its 20 runs with idle connections are spread over the limits of descriptors: seven with 96, seven
with 1,024, six with 20,000.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import os
import resource
import signal
import socket
import threading
import time

import pytest

import attack
from attack import MIB, Attack, Delay, Others, descriptors, is_closed, is_quiet, memory_kib, open_connection
from programs import request
from waiting import eventually

pytestmark = pytest.mark.timeout(1800)

SOAK = bool(os.environ.get("TAPEDECK_SOAK"))


@pytest.fixture(autouse=True)
def descriptor_limit():
    """Raises the limit of the test itself."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def connections(server):
    """Opens connections: `connect(request, address, buffer)`; all are closed at the end."""
    sockets = []

    def connect(text: str | bytes = "", source: str = "127.0.0.1", buffer: int | None = None) -> socket.socket:
        connection = open_connection(server.url, source, buffer)
        sockets.append(connection)
        with contextlib.suppress(ConnectionError):
            connection.sendall(text.encode() if isinstance(text, str) else text)
        return connection

    try:
        yield connect
    finally:
        for connection in sockets:
            connection.close()


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            data += piece
    return data


def has_command_socket(server) -> bool:
    """Whether the command socket is open; the address of the server may be printed before."""
    try:
        return command_socket_status(server) == 200
    except (FileNotFoundError, ConnectionRefusedError):
        return False


def command_socket_status(server) -> int:
    """The status of an answer of the command socket."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(server.data.path / "tapedeck.sock"))
    connection.request("GET", "/livez")
    status = connection.getresponse().status
    connection.close()
    return status


def longest(ask) -> float:
    """The longest of three answers with status 200, in seconds."""
    times = []
    for _ in range(3):
        start = time.monotonic()
        assert ask() == 200
        times.append(time.monotonic() - start)
    return max(times)


def measured(delay: Delay, times: list[float], others: Others, *, count: int) -> None:
    """Measures the other clients; a small version checks only that they are answered."""
    times += others.times(count if SOAK else 20)


# --- Held connections -------------------------------------------------------------------------------------------------

# The limit of descriptors, and the number of runs of the soak suite. 20,000 is more than some machines allow.
LIMITS = [(96, 7), (1024, 7), (20_000, 6)] if SOAK else [(96, 1), (1024, 1)]


@pytest.mark.parametrize(("limit", "runs"), LIMITS)
def test_idle_connections_neither_end_the_server_nor_its_work(make_server, sandbox, limit, runs):
    count = 5000 if SOAK else min(1100, limit + 30)
    ids = [f"short-{number:04}" for number in range(1, 41 if SOAK else 11)]
    ready = "SELECT count(*) AS n FROM recording WHERE archived_at IS NOT NULL"
    slowest = 0.0
    for _ in range(runs):
        server = make_server(descriptors=(limit, limit))
        eventually(lambda: has_command_socket(server))
        livez = lambda: request(server.url, "GET", "/livez").status  # noqa: E731
        calm = max(longest(livez), longest(lambda: command_socket_status(server)))
        for id in ids:
            server.supervisor.start(id)
        with Attack(attack.hold_connections, server.url, count):
            passed = max(longest(livez), longest(lambda: command_socket_status(server)))
            slowest = max(slowest, passed)
            # On a machine that is slow without the connections too, compared with that.
            assert not SOAK or passed < max(1, 3 * calm), f"{passed:.2f} s, {calm:.2f} s without the connections"
            eventually(lambda: server.data.rows(ready)[0]["n"] == len(ids))
            assert longest(livez) and server.process.popen.poll() is None
        for id in ids:
            assert server.data.original(id) == sandbox.file(id)
        assert server.terminate() == 0
    print(f"{count} idle connections, limit {limit}, {runs} runs: slowest answer {slowest * 1000:.0f} ms")


def test_the_soft_limit_of_descriptors_is_raised(make_server):
    server = make_server(descriptors=(256, 2048))
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


# A body, and the fields of a head, of which one byte arrives at a time.
DRIPPED = {"body": "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n",
           "chunked body": "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n50000\r\n",
           "head": "GET /livez HTTP/1.1\r\nHost: a\r\nX-Long: "}


@pytest.mark.parametrize("what", DRIPPED)
def test_slow_requests_end_and_do_not_delay_others(server, what):
    count = (10_000 if what == "body" else 1000) if SOAK else 30
    others, delay = Others(server), Delay(f"{count} times a dripped {what}")
    measured(delay, delay.calm, others, count=1000)
    before = memory_kib(server)
    with Attack(attack.hold_connections, server.url, count, DRIPPED[what], True) as dripping:
        measured(delay, delay.attacked, others, count=1000)
        during = memory_kib(server)
        # A body may take 30 s and a connection 60 s without a request.
        eventually(lambda: dripping.steps.value == count, every=0.5)
    eventually(lambda: memory_kib(server) < before + 20 * MIB)
    measured(delay, delay.calm, others, count=1000)
    assert during < 200 * MIB
    if SOAK:
        delay.report(f"memory {before / MIB:.0f}, {during / MIB:.0f}, {memory_kib(server) / MIB:.0f} MiB")
        delay.check()


def test_clients_that_read_nothing_take_little_memory(make_server, sandbox):
    # More than the operating system buffers.
    id, count = ("large-200mb", 400) if SOAK else ("small-01", 60)
    server = make_server(TAPEDECK_STREAMS_PER_IDENTITY="1000")
    assert server.supervisor.ingest(id, timeout=1800).status == 200
    others, delay = Others(server, id), Delay(f"{count} clients that read nothing")
    measured(delay, delay.calm, others, count=1000)
    before = memory_kib(server)
    head = f"GET /audio/{id}/original HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.token('supervisor')}\r\n\r\n"
    with Attack(attack.hold_responses, server.url, [head] * count) as held:
        assert held.steps.value == count
        measured(delay, delay.attacked, others, count=1000)
        during = memory_kib(server)
    eventually(lambda: memory_kib(server) < before + 20 * MIB)
    measured(delay, delay.calm, others, count=1000)
    # 64 KiB each for the piece and as much for its connection.
    assert during < before + 20 * MIB + count * 256
    if SOAK:
        delay.report(f"memory {before / MIB:.0f}, {during / MIB:.0f}, {memory_kib(server) / MIB:.0f} MiB")
        assert during < 200 * MIB
        delay.check()


def test_long_lists_that_are_not_read_take_little_memory(make_server):
    count = 400 if SOAK else 60
    server = make_server(TAPEDECK_STREAMS_PER_IDENTITY="8")
    # Lists are as long as they get: 1,000 entries of the access log.
    for _ in range(1000):
        assert server.supervisor.get("/api/v1/recordings?q=" + "x" * 100).status == 200
    path = "/api/v1/audit?limit=1000"
    size = len(server.supervisor.get(path).body)
    assert size > 500_000
    before = memory_kib(server)
    head = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.token('supervisor')}\r\n\r\n"
    with Attack(attack.hold_responses, server.url, [head] * count) as held:
        assert held.steps.value >= 8
        during = memory_kib(server)
        assert server.agent.get("/api/v1/recordings").status == 200
    print(f"{count} lists of {size / 1e6:.1f} MB: memory {before / MIB:.0f} MiB, {during / MIB:.0f} during")
    assert during < 200 * MIB
    eventually(lambda: server.supervisor.get(path).status == 200)


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


# --- Floods -----------------------------------------------------------------------------------------------------------


def test_many_unknown_ids_of_one_identity_do_not_delay_others(make_server, sandbox):
    count = 10_000 if SOAK else 150
    server = make_server(CXONE_RATE="10" if SOAK else "1", TAPEDECK_JOBS_PER_IDENTITY="20000")

    def ingest(id: str) -> float:
        start = time.monotonic()
        assert server.supervisor.ingest(id).status == 200
        return time.monotonic() - start

    alone = max(ingest(f"short-{number:04}") for number in range(2, 5))
    others, delay = Others(server, "short-0002"), Delay(f"{count} unknown ids")
    measured(delay, delay.calm, others, count=1000)
    before = memory_kib(server)
    with Attack(attack.flood_ingest, server.url, server.token("agent"), count) as flood:
        while SOAK and flood.steps.value < count - 500:
            measured(delay, delay.attacked, others, count=100)
        eventually(lambda: flood.steps.value == count, within=1200)
    sandbox.forget_requests()
    passed = ingest("short-0001")
    ids = [entry.get("recording") for entry in sandbox.statistics()["recent"]]
    between = [id for id in ids[:ids.index("short-0001")] if id]
    # The requests that were being sent, and one of the agent for each of the supervisor.
    assert len(between) <= 20
    open_jobs = "SELECT count(*) AS n FROM job WHERE run_state IN ('idle', 'waiting', 'leased')"
    assert server.data.rows(open_jobs)[0]["n"] > 20, "the agent's jobs were done too early for this test"
    eventually(lambda: memory_kib(server) < before + 20 * MIB)
    if SOAK:
        delay.report(f"memory {before / MIB:.0f}, {memory_kib(server) / MIB:.0f} MiB",
                     f"ingest of another identity {passed:.2f} s after {len(between)} requests, {alone:.2f} s before")
        assert passed < alone + 1
        delay.check()


def test_a_flood_of_sign_ins_through_a_proxy_does_not_delay_others(make_server):
    server = make_server(TAPEDECK_TRUSTED_PROXIES="127.0.0.1")
    others, delay = Others(server), Delay("sign-ins from 40 addresses")
    before = memory_kib(server)
    measured(delay, delay.calm, others, count=1000)
    highest = 0
    with Attack(attack.flood_sign_in, server.url, 320 if SOAK else 80) as flood:
        for _ in range(5 if SOAK else 1):
            steps = flood.steps.value
            eventually(lambda: flood.steps.value > steps)
            measured(delay, delay.attacked, others, count=200)
            highest = max(highest, memory_kib(server))
    # One password is hashed at a time, with 128 MiB.
    assert highest < (200 + 128) * MIB
    if SOAK:
        # Those that waited when the attack ended are still checked.
        eventually(lambda: is_quiet(server), every=0)
        measured(delay, delay.calm, others, count=1000)
        eventually(lambda: memory_kib(server) < before + 20 * MIB)
        delay.report(f"memory {before / MIB:.0f}, {highest / MIB:.0f}, {memory_kib(server) / MIB:.0f} MiB",
                     f"{flood.steps.value} attempts")
        delay.check()


def test_an_identity_has_a_limited_number_of_open_jobs(make_server):
    server = make_server(CXONE_RATE="0.1", CXONE_BURST="1", TAPEDECK_JOBS_PER_IDENTITY="5")
    replies = [server.agent.ingest(f"bogus-{number}", Prefer="respond-async") for number in range(12)]
    refused = [reply for reply in replies if reply.status == 429]
    # One or two may have ended meanwhile.
    assert 5 <= len(refused) <= 7 and {reply.code for reply in refused} == {"too_many_jobs"}
    assert {reply.headers["retry-after"] for reply in refused} == {"30"}
    assert server.supervisor.ingest("bogus-12", Prefer="respond-async").status == 202


# --- Callers that wait ------------------------------------------------------------------------------------------------


def test_callers_that_leave_do_not_keep_their_connections(server, sandbox):
    count = 900 if SOAK else 60
    sandbox.fault("status-flap", "short-0001")
    token = server.token("supervisor")
    text = f"POST /ingest/short-0001?wait=3600 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
    before = descriptors(server)
    with connections(server) as connect:
        held = [connect(text) for _ in range(count)]
        eventually(lambda: descriptors(server) >= before + count)
        for number, connection in enumerate(held):
            if number % 3 == 0:
                connection.close()
            elif number % 3 == 1:
                # A client that closes its side only still gets a response.
                connection.shutdown(socket.SHUT_WR)
                assert received(connection).startswith(b"HTTP/1.1 202")
            else:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()
        # A few files may have been opened meanwhile.
        eventually(lambda: descriptors(server) < before + 20)
        # Those who stay get the recording.
        waiting = connect(text)
        sandbox.clear_faults()
        assert waiting.recv(12) == b"HTTP/1.1 200"


def test_callers_that_wait_leave_connections_for_others(make_server, sandbox):
    server = make_server(TAPEDECK_CONNECTIONS="40", TAPEDECK_CONNECTIONS_PER_ADDRESS="30")
    sandbox.fault("status-flap", "short-0001")

    def text(role: str) -> str:
        return ("POST /ingest/short-0001?wait=3600 HTTP/1.1\r\nHost: a\r\n"
                f"Authorization: Bearer {server.token(role)}\r\n\r\n")

    with connections(server) as connect:
        for role, source in (("supervisor", "127.0.0.2"), ("agent", "127.0.0.3"), ("admin", "127.0.0.4")):
            held = [connect(text(role), source) for _ in range(15)]
            # A quarter of the connections for one identity, half for all; the others are answered at once.
            expected = 0 if role == "admin" else 10
            eventually(lambda: sum(not is_closed_or_answered(one) for one in held) == expected)
            assert server.anonymous.get("/livez").status == 200


def is_closed_or_answered(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
        return True
    except BlockingIOError:
        return False


def test_a_thousand_callers_wait_for_one_recording(server, sandbox):
    count = 1000 if SOAK else 60
    sandbox.fault("status-flap", "short-0001")
    token = server.token("supervisor")
    text = f"POST /ingest/short-0001?wait=3600 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
    before = descriptors(server)
    with connections(server) as connect:
        held = [connect(text, f"127.0.1.{number % 40 + 1}") for number in range(count)]
        eventually(lambda: descriptors(server) >= before + count)
        assert server.agent.get("/api/v1/recordings").status == 200
        sandbox.clear_faults()
        for connection in held:
            connection.settimeout(300)
            assert connection.recv(12) == b"HTTP/1.1 200"


# --- HTTP -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", [
    "GET /livez HTTP/1.0\r\n\r\n", "GET /livez HTTP/1.0\r\nHost: a\r\n\r\n", "GET /missing HTTP/1.0\r\n\r\n",
    "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /livez HTTP/1.1\r\n\r\n",
    "POST /login HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
def test_a_connection_that_does_not_persist_is_closed_after_its_response(server, text):
    with connections(server) as connect:
        reply = received(connect(text))
        assert reply.startswith(b"HTTP/1.1 ") and b"connection: close" in reply.lower()



SMUGGLED = "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("fields", [
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "Content-Length: 5, 5\r\n\r\nabcde",
    "Content-Length: +5\r\n\r\nabcde",
    "Content-Length: 0x5\r\n\r\nabcde",
    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5x\r\nabcde\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabcde\r\n0\r\n\r\n",
    "X: a\rb\r\n\r\n", "X: a\0b\r\n\r\n", "X\r\n\r\n", "Host: b\r\n\r\n", "X: " + "y" * 200_000 + "\r\n\r\n",
    "".join(f"X{number}: y\r\n" for number in range(5000)) + "\r\n",
])
def test_a_request_that_could_hide_another_gets_one_response_and_the_connection_ends(shared_server, fields):
    with connections(shared_server) as connect:
        reply = received(connect(f"POST /login HTTP/1.1\r\nHost: a\r\n{fields}{SMUGGLED}"))
    assert reply.startswith(b"HTTP/1.1 400") and reply.count(b"HTTP/1.1 ") == 1, reply


@pytest.mark.parametrize("host", ["a b", "a/b", "a,b", "a@b", "\xe4"])
def test_a_malformed_host_is_refused(shared_server, host):
    with connections(shared_server) as connect:
        reply = received(connect(f"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    assert reply.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.2, HTTP/1.1"])
@pytest.mark.parametrize("body", ["", "abcde"])
def test_an_upgrade_is_not_taken_and_the_connection_ends_after_the_response(shared_server, protocol, body):
    with connections(shared_server) as connect:
        reply = received(connect(
            f"POST /login HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}{SMUGGLED}"))
    assert reply.startswith(b"HTTP/1.1 400") and reply.count(b"HTTP/1.1 ") == 1


def test_the_number_of_pipelined_requests_is_limited(shared_server):
    with connections(shared_server) as connect:
        reply = received(connect("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 10_000))
    # How many are taken while earlier ones are answered depends on the pace of both sides.
    assert reply.count(b"HTTP/1.1 ") < 10_000
    assert shared_server.anonymous.get("/livez").status == 200


def test_a_client_that_asks_first_may_send_its_body(shared_server):
    head = "POST /login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n" \
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    with connections(shared_server) as connect:
        connection = connect(head.format(6))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"name=a")
        assert connection.recv(12) == b"HTTP/1.1 403"
        reply = received(connect(head.format(1 << 30)))
        assert reply.startswith(b"HTTP/1.1 413")
        connection = connect("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" + head.format(6))
        reply = b""
        while b"HTTP/1.1 100 Continue\r\n\r\n" not in reply:
            more = connection.recv(4096)
            assert more, reply
            reply += more
        assert reply.startswith(b"HTTP/1.1 200")
        connection.sendall(b"name=a")
        assert connection.recv(12) == b"HTTP/1.1 403"


def test_a_compressed_body_is_not_expanded(shared_server):
    body = gzip.compress(b"a=" + b"0" * (50 << 20))
    assert len(body) < 64 << 10
    before = memory_kib(shared_server)
    for content_type in ("application/json", "application/x-www-form-urlencoded"):
        headers = {"Content-Encoding": "gzip", "Content-Type": content_type}
        for path in ("/login", "/api/v1/tokens", "/api/v1/backfills"):
            assert shared_server.client("admin").request("POST", path, headers, body).status in (400, 403, 413, 415)
    assert memory_kib(shared_server) < before + 40 * MIB


@pytest.mark.parametrize("query", [
    "&".join(f"p{number}=1" for number in range(5000)), "&".join(["q=1"] * 10_000), "q=" + "%41" * 20_000,
    "limit=500&" * 5000 + "q=x"])
def test_a_long_query_is_answered(shared_server, query):
    assert shared_server.supervisor.get(f"/api/v1/recordings?{query}").status in (200, 400)


def test_a_header_with_many_ranges_is_one_request_for_the_file(shared_server, sandbox):
    assert shared_server.supervisor.ingest("short-0001").status == 200
    whole = sandbox.file("short-0001")
    for ranges in (",".join(f"{n}-{n}" for n in range(5000)), ",".join(["0-"] * 5000), "0-0," * 5000):
        reply = shared_server.supervisor.get("/audio/short-0001/original", Range=f"bytes={ranges}")
        assert (reply.status, reply.body) == (200, whole)


def test_head_of_an_export_states_no_length_and_sends_no_body(shared_server):
    head = f"Host: a\r\nAuthorization: Bearer {shared_server.token('supervisor')}\r\n\r\n"
    with connections(shared_server) as connect:
        reply = received(connect(f"HEAD /api/v1/recordings.csv HTTP/1.1\r\n{head}"))
    assert b" 200 OK\r\n" in reply and b"\r\ncontent-type: text/csv" in reply.lower()
    assert reply.count(b"\r\n\r\n") == 1 and reply.endswith(b"\r\n\r\n")
    assert b"content-length" not in reply.lower() and b"transfer-encoding" not in reply.lower()


@pytest.mark.parametrize("path", ["/missing", "/play/unknown", "/audio/unknown.mp3", "/login", "/livez"])
def test_head_sends_no_body_before_the_next_response(shared_server, path):
    head = f"Host: a\r\nAuthorization: Bearer {shared_server.token('supervisor')}\r\n"
    with connections(shared_server) as connect:
        reply = received(connect(
            f"HEAD {path} HTTP/1.1\r\n{head}\r\nGET /livez HTTP/1.1\r\n{head}Connection: close\r\n\r\n"))
    first, second = reply.split(b"\r\n\r\n", 1)
    assert first.startswith(b"HTTP/1.1 ") and second.startswith(b"HTTP/1.1 200"), reply


def test_many_head_requests_take_no_bodies(shared_server):
    with connections(shared_server) as connect:
        connection = connect()
        for _ in range(200):
            connection.sendall(b"HEAD /login HTTP/1.1\r\nHost: a\r\n\r\n")
            reply = connection.recv(1 << 16)
            assert reply.startswith(b"HTTP/1.1 200") and reply.endswith(b"\r\n\r\n") and b"<html" not in reply
