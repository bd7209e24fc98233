"""Nodes of the built program: alone on SQLite and a folder, or several on PostgreSQL and S3."""

from __future__ import annotations

import hashlib
import os
import pathlib
import random
import signal
import subprocess

from backing import Backing
from programs import QUICK, Client, Process, Sandbox, Server, command
from receiver import Receiver
from waiting import eventually

#: A short lease, so that tests need not wait for the 30 s of production.
SHORT_LEASE = {"TAPEDECK_LEASE_SECONDS": "1"}

#: What a recording's files are in the catalog: the column of the key, of the hash, of the length.
FILES = [("original_object", "source_sha256", "source_bytes"), ("mp3_object", "mp3_sha256", "mp3_bytes"),
         ("peaks_object", "peaks_sha256", "peaks_bytes")]


class Node:
    """One process of a cluster with a data directory of its own; can be killed and started again."""

    def __init__(self, name: str, folder: pathlib.Path, arguments: list[str], settings: dict[str, str], ready: str):
        self.name, self.arguments, self.ready = name, arguments, ready
        self.folder = folder / name
        self.folder.mkdir()
        self.settings = QUICK | settings
        self.process: Process | None = None

    def start(self) -> Node:
        self.process = Process(self.arguments, self.folder, self.settings, self.folder / "node.log")
        eventually(self._is_ready, every=0.02)
        return self

    def _is_ready(self) -> bool:
        if self.process.popen.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.popen.returncode}: {self.process.output}")
        return self.ready in self.process.output

    @property
    def url(self) -> str:
        return self.process.address("Tapedeck listens on")

    def command(self, *arguments: str, **named):
        return command(self.folder, *arguments, settings=self.settings, **named)

    def kill(self) -> None:
        self.process.kill()

    def pause(self) -> None:
        self.process.popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.popen.send_signal(signal.SIGCONT)

    def end(self) -> None:
        if not self.process or self.process.popen.poll() is not None:
            return
        self.resume()
        try:
            self.process.terminate(within=60)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Alone:
    """One server on SQLite and files."""

    def __init__(self, folder: pathlib.Path, sandbox: Sandbox, settings: dict[str, str]):
        self.server = Server(folder, sandbox.settings | SHORT_LEASE | settings).start()
        self.token = self.server.token("supervisor")
        self.workers = [self]

    def client(self) -> Client:
        return Client(self.server.url, self.token)

    def rows(self, sql: str, *values) -> list[dict]:
        return self.server.data.rows(sql, *values)

    def objects(self) -> dict[str, bytes]:
        root = self.server.data.path / "objects"
        return {name: (root / name).read_bytes() for name in self.server.data.files("objects")}

    def spools(self) -> set[str]:
        return self.server.data.files("spool")

    def kill(self) -> None:
        self.server.kill()

    def start(self) -> None:
        self.server.start()

    def end(self) -> None:
        self.server.end()


class Cluster:
    """A web node and workers on PostgreSQL and S3."""

    def __init__(self, folder: pathlib.Path, backing: Backing, sandbox: Sandbox, settings: dict[str, str],
                 workers: int = 3):
        self.folder, self.sandbox = folder, sandbox
        self.backing = backing
        self.database = backing.postgresql.make_database()
        self.bucket = backing.s3.make_bucket()
        self.shared = sandbox.settings | SHORT_LEASE | self.bucket.settings | settings
        self.web = self.node("web", ["serve", "--no-workers"], "Tapedeck listens on").start()
        self.workers = [self.node(f"worker-{number}", ["worker"], "ready for jobs") for number in range(workers)]
        for worker in self.workers:
            worker.start()
        done = self.web.command("token", "create", "test", "--role", "supervisor")
        assert done.returncode == 0, done
        self.token = done.stdout.strip()

    def node(self, name: str, arguments: list[str], ready: str, port: int | None = None) -> Node:
        """A node that connects to the database directly, or through another port; `ready` is what it prints then."""
        url = self.database.url_through(port) if port else self.database.url
        return Node(name, self.folder, arguments, self.shared | {"TAPEDECK_DATABASE_URL": url}, ready)

    def client(self) -> Client:
        return Client(self.web.url, self.token)

    def rows(self, sql: str, *values) -> list[dict]:
        return self.database.rows(sql, *values)

    def objects(self) -> dict[str, bytes]:
        return {name: body for name, body in self.bucket.objects().items() if not name.startswith("quarantine/")}

    def spools(self) -> set[str]:
        return {str(path) for worker in self.workers for path in (worker.folder / "tapedeck-data/spool").glob("[!.]*")}

    def end(self) -> None:
        for node in [self.web, *self.workers]:
            node.end()
        # A test that failed may have left them stopped.
        self.backing.s3.resume()
        if not self.backing.postgresql.is_running():
            self.backing.postgresql.start()
        self.bucket.remove()
        self.database.drop()


def request_all(cluster: Alone | Cluster, ids: list[str]) -> None:
    """Requests recordings without waiting for them; repeats a request while nodes are killed."""
    for id in ids:
        eventually(lambda id=id: is_requested(cluster, id))


def is_requested(cluster: Alone | Cluster, id: str) -> bool:
    try:
        return cluster.client().ingest(id, Prefer="respond-async").status in (200, 202)
    except OSError:
        return False


def archived(cluster: Alone | Cluster) -> int:
    return cluster.rows("SELECT count(*) AS number FROM recording WHERE archived_at IS NOT NULL")[0]["number"]


def assert_nothing_lost(cluster: Alone | Cluster, sandbox: Sandbox, ids: list[str], receiver: Receiver | None) -> None:
    """Every recording is in the archive once, complete and announced under one id, and nothing else is there."""
    parts = cluster.rows(
        "SELECT r.platform_id, p.* FROM media_part p JOIN recording r ON r.id = p.recording_id ORDER BY p.part")
    assert sorted(part["platform_id"] for part in parts) == sorted(ids), "lost or archived twice"
    objects = cluster.objects()
    referred = set()
    for part in parts:
        for key, sha256, size in FILES:
            body = objects.get(part[key])
            assert body is not None, f"{part['platform_id']} lacks {part[key]}"
            assert (hashlib.sha256(body).hexdigest(), len(body)) == (part[sha256], part[size]), part[key]
            referred.add(part[key])
        assert objects[part["original_object"]] == sandbox.file(part["platform_id"]), "differs from the platform's file"
    jobs = cluster.rows("SELECT platform_id, run_state FROM job")
    assert sorted(job["platform_id"] for job in jobs) == sorted(ids)
    assert {job["run_state"] for job in jobs} == {"done"}
    entries = cluster.rows("SELECT platform_id FROM log_entry WHERE action = 'archive'")
    assert sorted(entry["platform_id"] for entry in entries) == sorted(ids), "archived and logged once each"
    if receiver:
        messages = cluster.rows("SELECT id, body FROM webhook_message")
        assert len(messages) == len(ids)
        eventually(lambda: {message.id for message in receiver.messages} == {row["id"] for row in messages})
        received = {}
        for message in receiver.messages:
            received.setdefault(message.json()["recordingId"], set()).add(message.id)
        assert {id: len(names) for id, names in received.items()} == dict.fromkeys(ids, 1), "one id for each"


def seeded() -> random.Random:
    """A random generator whose seed is printed; TAPEDECK_CHAOS_SEED repeats a run."""
    seed = int(os.environ.get("TAPEDECK_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"TAPEDECK_CHAOS_SEED={seed}")
    return random.Random(seed)
