"""One call of an ingest fails: a write, an fsync, a rename, a query, a network read, and so on.

The program must say so and end; a second run over the same data directory must end in the one correct state. By default
the first, second and last call of each distinct name fail, each in an ingest of its own. `make soak SUITE=faultloop`
fails every n-th call, for n = 1, 2, … until an ingest gets through untouched.
See https://sqlite.org/testing.html#i_o_error_testing, where the idea is from.
"""

from __future__ import annotations

import collections
import concurrent.futures
import fnmatch
import itertools
import os
import pathlib
import re
import tempfile
from dataclasses import dataclass

import pytest

from programs import QUICK, command
from receiver import Receiver
from trial import ID, Trial

IS_SOAK = os.environ.get("TAPEDECK_SOAK") == "1"

#: Runs at a time. Most of a run is waiting: for a retry, or for the next look at the job.
PARALLEL = 3 * (os.cpu_count() or 1)


@dataclass
class Loop:
    kind: str
    error: str
    #: How many calls of the kind an ingest makes at least, so that a loop that catches none cannot pass.
    calls: int
    #: How many distinct names these calls have at least.
    names: int


LOOPS = [
    Loop("write", "EIO", 80, 4), Loop("write", "ENOSPC", 80, 4), Loop("fsync", "EIO", 15, 6),
    Loop("fsync", "ENOSPC", 15, 6), Loop("rename", "EIO", 3, 1), Loop("query", "SQLITE_IOERR", 120, 25),
    Loop("receive", "ECONNRESET", 6, 1), Loop("load", "EIO", 5, 2), Loop("open", "EMFILE", 12, 7),
    Loop("make", "ENOSPC", 3, 2), Loop("remove", "EIO", 2, 1), Loop("cut", "EIO", 1, 1),
]

#: Reads of the catalog fail as queries.
ONLY_FILES = {"load": "[!c]*"}


@pytest.fixture(scope="module")
def empty(module_folder):
    """A data directory before its first recording."""
    for arguments in (["init", "--empty"], ["list"]):
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


@pytest.fixture
def make_trial(empty, faulty_calls, shared_sandbox, receiver):
    def make(folder) -> Trial:
        return Trial(pathlib.Path(folder), empty, faulty_calls, shared_sandbox, receiver)

    return make


@pytest.fixture(scope="module")
def untouched_calls(module_folder, empty, faulty_calls, shared_sandbox, receiver, original) -> list[str]:
    """The calls of an ingest without a fault, in order."""
    folder = module_folder / "untouched"
    folder.mkdir()
    trial = Trial(folder, empty, faulty_calls, shared_sandbox, receiver)
    trial.assert_says_what_happened(trial.run(trial.faults.settings))
    assert not trial.faults.failed
    trial.assert_correct_after_a_second_run(original)
    return trial.faults.calls()


def test_every_kind_of_call_is_seen(untouched_calls):
    for loop in LOOPS:
        calls = [call for call in untouched_calls if call.startswith(f"{loop.kind} ")]
        assert len(calls) >= loop.calls, loop
        assert len({pattern_of(call) for call in calls}) >= loop.names, loop
    calls = "\n".join(untouched_calls)
    for expected in [
        r"write spool/\S+\.part", r"write spool/\S+\.peaks", r"write catalog\.sqlite-wal",
        r"fsync spool/\S+\.part", r"fsync spool/\S+\.mp3", r"fsync spool/\S+\.peaks",
        r"fsync objects/..", r"fsync objects", r"fsync catalog\.sqlite-wal", r"rename objects/../\S+",
        r"query BEGIN IMMEDIATE TRANSACTION", r"query COMMIT TRANSACTION", r"query INSERT INTO media_part.*",
        r"query INSERT INTO log_entry.*", r"query INSERT INTO webhook_message.*", r"receive platform",
    ]:
        assert re.search(f"^{expected}$", calls, re.M), f"no call of {expected}"


def pattern_of(call: str) -> str:
    """A pattern (fnmatch) for the file or statement of a call, without what differs from one ingest to the next."""
    name = call.split(" ", 1)[1].replace("[", "?").replace("]", "?")
    name = re.sub(r"^objects/[0-9a-z]{2}", "objects/??", name)
    return re.sub(r"[0-9a-z]{16,}|(?<=spool/)[\d-]+(?=\.)", "*", name)


def first_second_and_last(calls: list[str]) -> list[tuple[str, list[int]]]:
    """For each distinct name, the pattern and the numbers of the calls to fail: the first of them that an ingest makes.

    Two ingests differ by a few calls, so a last call that does not come is replaced by one before it.
    """
    names = [call.split(" ", 1)[1] for call in calls]
    chosen = []
    for pattern in sorted({pattern_of(call) for call in calls}):
        count = sum(fnmatch.fnmatchcase(name, pattern) for name in names)
        chosen += [(pattern, [n]) for n in range(1, min(count, 2) + 1)]
        if count > 2:
            chosen.append((pattern, list(range(count, max(2, count - 5), -1))))
    return chosen


class Attempts:
    """Runs the trials of one loop and collects what went wrong."""

    def __init__(self, loop: Loop, make_trial, original: bytes):
        self.loop, self.make_trial, self.original = loop, make_trial, original
        self.failed: list[str] = []
        self.problems: list[str] = []

    def attempt(self, files: str | None, n: int) -> bool:
        """Fails the n-th call of the kind for these files in the first run; returns whether there was such a call."""
        with tempfile.TemporaryDirectory(prefix="tapedeck-fault-") as folder:
            trial = self.make_trial(folder)
            trial.faults.kind, trial.faults.error = self.loop.kind, self.loop.error
            trial.faults.files, trial.faults.at = files, n
            done = None
            try:
                done = trial.run(trial.faults.settings)
                trial.assert_says_what_happened(done)
                trial.assert_correct_after_a_second_run(self.original)
            except Exception as failure:
                self.problems.append(f"n = {n} of {files}, {trial.faults.failed}: {failure}\nfirst run: {done}")
            failed = trial.faults.failed
        self.failed += failed
        return bool(failed)

    def distinct_calls(self, chosen: list[tuple[str, list[int]]]) -> list[tuple[str, list[int]]]:
        """Fails the chosen calls; returns those that no ingest made."""
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            met = pool.map(lambda choice: any(self.attempt(choice[0], n) for n in choice[1]), chosen)
            return [choice for choice, was_met in zip(chosen, met) if not was_met]

    def every_call(self) -> None:
        """Fails the first call, the second, and so on, until several ingests in a row do not make that many calls."""
        numbers, untouched = itertools.count(1), 0
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            def submit():
                return pool.submit(self.attempt, ONLY_FILES.get(self.loop.kind), next(numbers))

            running = collections.deque(submit() for _ in range(PARALLEL))
            while running:
                untouched = 0 if running.popleft().result() else untouched + 1
                if untouched < PARALLEL:
                    running.append(submit())

    def assert_all_correct(self) -> None:
        print(f"{len(self.failed)} calls of {self.loop.kind} failed with {self.loop.error}, each in its own ingest")
        assert not self.problems, f"{len(self.problems)} went wrong\n\n" + "\n\n".join(self.problems)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("loop", LOOPS, ids=[f"{loop.kind}-{loop.error}" for loop in LOOPS])
def test_a_call_fails_and_a_second_run_ends_in_the_correct_state(make_trial, original, untouched_calls, loop):
    attempts = Attempts(loop, make_trial, original)
    if IS_SOAK:
        attempts.every_call()
        attempts.assert_all_correct()
        assert len(attempts.failed) >= loop.calls
    else:
        only = ONLY_FILES.get(loop.kind, "*")
        calls = [call for call in untouched_calls
                 if call.startswith(f"{loop.kind} ") and fnmatch.fnmatchcase(call.split(" ", 1)[1], only)]
        chosen = first_second_and_last(calls)
        unmet = attempts.distinct_calls(chosen)
        attempts.assert_all_correct()
        # Which calls an ingest makes depends on time: a lease is renewed, progress is stored and the log of the database
        # is written back only when enough time has passed, so some calls of the recorded ingest do not occur again. The
        # share is limited, so that a loop that fails few calls cannot pass.
        assert len(chosen) - len(unmet) >= max(loop.names, 0.7 * len(chosen)), unmet
