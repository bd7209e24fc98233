"""Attacks on a server, each in a process of its own, and the delay that other clients have meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import multiprocessing
import os
import pathlib
import re
import socket
import statistics
import threading
import time
import urllib.parse

from client import request

MIB = 1024


def memory_kib(server) -> int:
    text = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:"))


def descriptors(server) -> int:
    """How many files and connections the server has open."""
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def open_connection(address: str, source: str = "127.0.0.1", buffer: int | None = None) -> socket.socket:
    """Connects to the server at an address, from one of the addresses of this machine."""
    where = urllib.parse.urlsplit(address)
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(60)
    connection.bind((source, 0))
    connection.connect((where.hostname, where.port))
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection; what it sent before is read."""
    connection.setblocking(False)
    try:
        while connection.recv(1 << 20):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def one_of_forty(number: int) -> str:
    """One of forty addresses of this machine."""
    return f"127.0.1.{number % 40 + 1}"


class Attack:
    """An attack in a process of its own, so that it shares no interpreter with the clients that are measured.

    The process runs only on processors that are otherwise idle: an attacker usually has another machine, and does not
    take processor time from the server. The function gets this object and its arguments, and sets `ready` when the attack is under way.
    """

    def __init__(self, function, *arguments):
        context = multiprocessing.get_context("fork")
        self.ready = context.Event()
        self.over = context.Event()
        self.steps = context.Value("q", 0)
        self.process = context.Process(target=self._run, args=(function, arguments), daemon=True)

    def _run(self, function, arguments):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        function(self, *arguments)

    def count(self, steps: int = 1) -> None:
        with self.steps.get_lock():
            self.steps.value += steps

    def __enter__(self):
        self.process.start()
        while not self.ready.wait(1):
            assert self.process.is_alive(), "the attack ended early"
        return self

    def __exit__(self, *_):
        self.over.set()
        self.process.join(120)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


# --- Attacks ----------------------------------------------------------------------------------------------------------


def hold_connections(attack: Attack, url: str, count: int, text: str = "", drip: bool = False) -> None:
    """Opens connections and sends each a text, and then more bytes, one at a time. `steps` is how many are closed."""
    held = []
    for number in range(count):
        try:
            connection = open_connection(url, one_of_forty(number))
        except OSError:
            attack.count()
            continue
        held.append(connection)
        with contextlib.suppress(OSError):
            connection.sendall(text.encode())
    attack.ready.set()
    while not attack.over.wait(0.5):
        for connection in held if drip else []:
            with contextlib.suppress(OSError):
                connection.setblocking(False)
                connection.send(b"x")
        left = [connection for connection in held if not is_closed(connection)]
        attack.count(len(held) - len(left))
        held = left


def hold_responses(attack: Attack, url: str, heads: list[str]) -> None:
    """Asks for these responses and reads 12 bytes of each. `steps` is how many begin with 200."""
    held = []
    for number, head in enumerate(heads):
        connection = open_connection(url, one_of_forty(number), buffer=4096)
        connection.sendall(head.encode())
        held.append(connection)
    attack.count(sum(connection.recv(12) == b"HTTP/1.1 200" for connection in held))
    attack.ready.set()
    attack.over.wait()


def in_threads(attack: Attack, count: int, work) -> None:
    """Runs `work(number)` in so many threads until it returns false or the attack is over."""

    def run(number: int) -> None:
        while not attack.over.is_set():
            if not work(number):
                return

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    attack.ready.set()
    for thread in threads:
        while thread.is_alive() and not attack.over.is_set():
            thread.join(0.2)


def flood_sign_in(attack: Attack, url: str, clients: int) -> None:
    """Sign-ins with wrong passwords from forty addresses, as a proxy forwards them. A refused client tries again after a
    second. `steps` counts the attempts."""
    reply = request(url, "GET", "/login", {"X-Forwarded-For": "203.0.113.1"})
    token = re.search(r'name="csrf" value="([^"]+)"', reply.text)[1]
    cookie = reply.cookies[0].split(";")[0]
    names = itertools.count()

    def attempt(number: int) -> bool:
        form = urllib.parse.urlencode({"csrf": token, "name": f"user-{next(names)}", "password": "a wrong password"})
        headers = {"X-Forwarded-For": f"203.0.113.{number % 40 + 1}", "Cookie": cookie,
                   "Content-Type": "application/x-www-form-urlencoded"}
        # A caller that waits for its turn does so until the attack is over.
        with contextlib.suppress(OSError, http.client.HTTPException):
            status = request(url, "POST", "/login", headers, form, timeout=120).status
            attack.count()
            if status == 429:
                attack.over.wait(1)
        return True

    in_threads(attack, clients, attempt)


def flood_ingest(attack: Attack, url: str, token: str, count: int, threads: int = 4) -> None:
    """Requests recordings that do not exist. `steps` counts the requests."""
    numbers = itertools.count()

    def ask(_: int) -> bool:
        number = next(numbers)
        if number >= count:
            return False
        headers = {"Authorization": f"Bearer {token}", "Prefer": "respond-async"}
        request(url, "POST", f"/ingest/bogus-{number}", headers)
        attack.count()
        return True

    in_threads(attack, threads, ask)


# --- Others -----------------------------------------------------------------------------------------------------------


class Others:
    """Clients that ask for a light answer and for the facts of a recording, one request after the other."""

    def __init__(self, server, id: str | None = None):
        token = {"Authorization": f"Bearer {server.token('supervisor')}"}
        self.server = server
        self.requests = [("/livez", {})] + ([(f"/api/v1/recordings/{id}", token)] if id else [])

    def times(self, count: int) -> list[float]:
        """The seconds that each of so many answers takes. An error or another status than 200 is a failure."""
        times = []
        for path, headers in itertools.islice(itertools.cycle(self.requests), count):
            start = time.monotonic()
            reply = request(self.server.url, "GET", path, headers, timeout=60)
            times.append(time.monotonic() - start)
            assert reply.status == 200, reply
        return times


def p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[-1]


def is_quiet(server) -> bool:
    """Whether the server uses less than a tenth of a processor."""

    def used() -> float:
        fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(1)
    return used() - before < 0.1


#: Differences below this many seconds are within what the scheduler of a machine adds.
NOISE = 0.02


class Delay:
    """Compares the answers to other clients before (and, where possible, after) an attack with those during it."""

    def __init__(self, name: str):
        self.name = name
        self.calm: list[float] = []
        self.attacked: list[float] = []

    def report(self, *details: str) -> None:
        calm, attacked = p99(self.calm), p99(self.attacked)
        print(f"{self.name}: p99 of others {calm * 1000:.0f} ms, {attacked * 1000:.0f} ms under attack "
              f"({attacked / calm:.2f} times, {len(self.attacked)} answers); {', '.join(details)}")

    def check(self) -> None:
        assert p99(self.attacked) < max(2 * p99(self.calm), p99(self.calm) + NOISE)
