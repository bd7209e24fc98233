"""The n-th write, fsync, rename, query or network read of an ingest fails, for n = 1, 2, … until it gets through untouched.

Whatever the program makes of it, it says so and ends; a second run over the same data directory ends in the one right
state. See https://sqlite.org/testing.html#i_o_error_testing, where the idea is from.
"""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shutil
import sqlite3
import tempfile

import pytest

from archive import DataDirectory
from faults import FaultyCalls
from programs import QUICK, command
from receiver import Receiver

#: 65,536 bytes, four seconds of sound.
ID = "tiny-64kib"

#: Runs at a time. Most of one is waiting: for a retry, or for the next look at the job.
PARALLEL = 3 * (os.cpu_count() or 1)

#: Kind, error, and how many calls of the kind an ingest makes at least: a loop that catches nothing must not pass.
LOOPS = [
    ("write", "EIO", 80), ("write", "ENOSPC", 80), ("fsync", "EIO", 15), ("fsync", "ENOSPC", 15), ("rename", "EIO", 3),
    ("query", "SQLITE_IOERR", 120), ("receive", "ECONNRESET", 6), ("load", "EIO", 5), ("open", "EMFILE", 12),
    ("make", "ENOSPC", 3), ("remove", "EIO", 2), ("cut", "EIO", 1),
]

#: What the catalog reads fails as a query.
ONLY_FILES = {"load": "[!c]*"}

#: docs/command-line.md
EXIT_CODES = {0, 1, 3, 5, 12}

NO_WORDS_FOR_PEOPLE = re.compile(r"fatal error|crash|backtrace|stack dump|assertion|precondition|internal_error", re.I)


@pytest.fixture(scope="module")
def template(module_folder):
    """A data directory before its first recording."""
    for arguments in (["init"], ["list"]):
        done = command(module_folder, *arguments, settings=QUICK)
        assert done.returncode == 0, done
    return module_folder / "tapedeck-data"


@pytest.fixture(scope="module")
def original(shared_sandbox) -> bytes:
    original = shared_sandbox.file(ID)
    assert len(original) == 65_536
    return original


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as receiver:
        yield receiver


class Trial:
    """One data directory, one call that fails, and two runs."""

    def __init__(self, folder: pathlib.Path, template: pathlib.Path, library: pathlib.Path, sandbox, receiver):
        self.folder = folder
        self.data = DataDirectory(folder / "tapedeck-data")
        shutil.copytree(template, self.data.path)
        self.receiver = receiver
        self.settings = QUICK | sandbox.settings | receiver.settings
        self.faults = FaultyCalls(library, self.data.path, folder / "trace", platform=sandbox.base)

    def run(self, settings: dict[str, str] | None = None):
        # A run that hangs fails here. The longest rests end after 15 s (a full disk) and 30 s (a lease).
        return command(self.folder, "ingest", "--json", ID, settings=self.settings | (settings or {}), timeout=60)

    def assert_says_what_happened(self, done) -> None:
        assert done.returncode in EXIT_CODES, done
        assert not NO_WORDS_FOR_PEOPLE.search(done.stderr), done.stderr
        if done.returncode == 0:
            assert json.loads(done.stdout)["status"] == "ready"
        else:
            assert re.search(r"^tapedeck: .+\.$", done.stderr, re.M), done.stderr

    def assert_right_in_the_end(self, original: bytes) -> None:
        done = self.run()
        assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "ready"), done
        assert self.data.original(ID) == original
        self.data.assert_tidy()
        assert not self.data.files("spool") and not self.data.quarantined()
        known = {"catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "lock"}
        assert {path.name for path in self.data.path.iterdir() if not path.is_dir()} <= known
        counts = self.data.rows(
            "SELECT (SELECT count(*) FROM recording) AS recordings, (SELECT count(*) FROM media_part) AS parts, "
            "(SELECT count(*) FROM log_entry WHERE action = 'archive') AS entries, "
            "(SELECT count(*) FROM webhook_message) AS messages")
        assert counts == [{"recordings": 1, "parts": 1, "entries": 1, "messages": 1}]
        job = self.data.job(ID)
        assert (job["stage"], job["run_state"], job["failure_code"]) == ("ready", "done", None)
        [message] = self.data.rows("SELECT * FROM webhook_message")
        assert json.loads(message["body"])["data"]["originalSha256"] == self.data.part(ID)["source_sha256"]
        if message["state"] == "delivered":
            assert message["id"] in {received.id for received in self.receiver.messages}
        connection = sqlite3.connect(self.data.path / "catalog.sqlite")
        try:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        finally:
            connection.close()


@pytest.fixture
def make_trial(template, faulty_calls, shared_sandbox, receiver):
    def make(folder) -> Trial:
        return Trial(pathlib.Path(folder), template, faulty_calls, shared_sandbox, receiver)

    return make


def test_every_kind_of_call_is_caught(make_trial, folder, original):
    trial = make_trial(folder)
    trial.assert_says_what_happened(trial.run(trial.faults.settings))
    trial.assert_right_in_the_end(original)
    for kind, _, at_least in LOOPS:
        assert len(trial.faults.calls(kind)) >= at_least, kind
    calls = "\n".join(re.sub(r"[0-9a-f]{64}", "HASH", call) for call in trial.faults.calls())
    for expected in [
        r"write spool/\d+-\d+\.part", r"write spool/\d+-\d+\.peaks", r"write catalog\.sqlite-wal",
        r"fsync spool/\d+-\d+\.part", r"fsync spool/\d+-\d+\.mp3", r"fsync spool/\d+-\d+\.peaks",
        r"fsync objects/..", r"fsync objects", r"fsync catalog\.sqlite-wal",
        r"rename objects/../HASH\.wav", r"rename objects/../HASH\.mp3", r"rename objects/../HASH\.dat",
        r"query BEGIN IMMEDIATE TRANSACTION", r"query COMMIT TRANSACTION", r"query INSERT INTO media_part.*",
        r"query INSERT INTO log_entry.*", r"query INSERT INTO webhook_message.*", r"receive platform",
    ]:
        assert re.search(f"^{expected}$", calls, re.M), f"no call of {expected}"
    assert not trial.faults.failed


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind, error, at_least", LOOPS, ids=[f"{kind}-{error}" for kind, error, _ in LOOPS])
def test_the_nth_call_fails_and_a_second_run_ends_in_the_right_state(make_trial, original, kind, error, at_least):
    def attempt(n: int) -> tuple[int, str | None, str | None]:
        """Which call failed in the first run, and what was wrong about it or the second one."""
        with tempfile.TemporaryDirectory(prefix="tapedeck-fault-") as folder:
            trial = make_trial(folder)
            trial.faults.kind, trial.faults.error, trial.faults.at = kind, error, n
            trial.faults.files = ONLY_FILES.get(kind)
            done = None
            try:
                done = trial.run(trial.faults.settings)
                trial.assert_says_what_happened(done)
                trial.assert_right_in_the_end(original)
                wrong = None
            except Exception as failure:
                wrong = f"{failure}\nfirst run: {done}"
            return n, (trial.faults.failed or [None])[0], wrong

    problems, failed, untouched = [], 0, 0
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        numbers = itertools.count(1)
        running = collections.deque(pool.submit(attempt, next(numbers)) for _ in range(PARALLEL))
        # Two ingests differ by a few calls, so one that got through is not enough.
        while running:
            n, call, wrong = running.popleft().result()
            failed, untouched = (failed + 1, 0) if call else (failed, untouched + 1)
            if wrong:
                problems.append(f"n = {n}, {call}: {wrong}")
            if untouched < PARALLEL:
                running.append(pool.submit(attempt, next(numbers)))
    print(f"{failed} calls of {kind} failed with {error}, one in each of as many ingests")
    assert not problems, f"{len(problems)} of {failed} went wrong\n\n" + "\n\n".join(problems)
    assert failed >= at_least
