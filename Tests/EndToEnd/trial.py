"""One ingest in which a call fails, and a second one over the same data directory."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import sqlite3

from archive import DataDirectory
from faults import FaultyCalls
from programs import PATIENCE, QUICK, command

#: 65,536 bytes, four seconds of audio.
ID = "tiny-64kib"

#: docs/command-line.md
EXIT_CODES = {0, 1, 3, 5, 12}

NOT_FOR_USERS = re.compile(r"fatal error|crash|backtrace|stack dump|assertion|precondition|internal_error", re.I)


class Trial:
    """One data directory, one call that fails, and two runs."""

    def __init__(self, folder: pathlib.Path, empty: pathlib.Path, library: pathlib.Path, sandbox, receiver):
        self.folder = folder
        self.data = DataDirectory(folder / "tapedeck-data")
        shutil.copytree(empty, self.data.path)
        self.receiver = receiver
        self.settings = QUICK | sandbox.settings | receiver.settings
        self.faults = FaultyCalls(library, self.data.path, folder / "trace", platform=sandbox.base)

    def run(self, settings: dict[str, str] | None = None):
        return command(self.folder, "ingest", "--json", ID, settings=self.settings | (settings or {}), timeout=PATIENCE)

    def assert_says_what_happened(self, done) -> None:
        assert done.returncode in EXIT_CODES, done
        assert not NOT_FOR_USERS.search(done.stderr), done.stderr
        if done.returncode == 0:
            assert json.loads(done.stdout)["status"] == "ready"
        else:
            assert re.search(r"^tapedeck: .+\.$", done.stderr, re.M), done.stderr

    def assert_correct_after_a_second_run(self, original: bytes) -> None:
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
