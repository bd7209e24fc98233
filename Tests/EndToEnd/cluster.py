"""Nodes of the built program: alone on SQLite and a folder, or several on PostgreSQL and S3."""

from __future__ import annotations

import hashlib
import os
import pathlib
import random
import signal

from backing import ObjectStorage, PostgreSQL
from programs import QUICK, Client, Process, Sandbox, Server, command
from receiver import Receiver
from waiting import eventually

#: Leases as short as they may be, so that a test need not wait for the 30 s of production.
SHORT_LEASE = {"TAPEDECK_LEASE_SECONDS": "1"}

#: What a recording's files are in the catalog: the column of the key, of the hash, of the length.
FILES = [("original_key", "source_sha256", "source_bytes"), ("mp3_key", "mp3_sha256", "mp3_bytes"),
         ("peaks_key", "peaks_sha256", "peaks_bytes")]


class Node:
    """One process of a cluster, with a data directory of its own; may be killed and started again."""

    def __init__(self, name: str, folder: pathlib.Path, arguments: list[str], settings: dict[str, str], words: str):
        self.name, self.arguments, self.words = name, arguments, words
        self.folder = folder / name
        self.folder.mkdir()
        self.settings = QUICK | settings
        self.process: Process | None = None

    def start(self) -> Node:
        self.process = Process(self.arguments, self.folder, self.settings, self.folder / "node.log")
        eventually(self._is_ready, within=60, every=0.02)
        return self

    def _is_ready(self) -> bool:
        if self.process.popen.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.popen.returncode}: {self.process.output}")
        return self.words in self.process.output

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
            self.process.terminate(within=15)
        except Exception:
            self.process.kill()


class Alone:
    """One server with everything in its data directory."""

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
    """Two kinds of nodes on PostgreSQL and S3: one that serves, and workers."""

    def __init__(self, folder: pathlib.Path, sandbox: Sandbox, settings: dict[str, str], workers: int = 3):
        self.folder, self.sandbox = folder, sandbox
        self.database = PostgreSQL(folder)
        self.storage = ObjectStorage(folder)
        self.shared = sandbox.settings | SHORT_LEASE | self.storage.settings | settings
        self.web = self.node("web", ["serve", "--no-workers"], "Tapedeck listens on").start()
        self.workers = [self.node(f"worker-{number}", ["worker"], "ready for jobs") for number in range(workers)]
        for worker in self.workers:
            worker.start()
        done = self.web.command("token", "create", "test", "--role", "supervisor")
        assert done.returncode == 0, done
        self.token = done.stdout.strip()

    def node(self, name: str, arguments: list[str], words: str, port: int | None = None) -> Node:
        """A node that reaches the database by itself, or by a port of its own."""
        url = self.database.url_through(port or self.database.port)
        return Node(name, self.folder, arguments, self.shared | {"TAPEDECK_DATABASE_URL": url}, words)

    def client(self) -> Client:
        return Client(self.web.url, self.token)

    def rows(self, sql: str, *values) -> list[dict]:
        return self.database.rows(sql, *values)

    def objects(self) -> dict[str, bytes]:
        return {name: body for name, body in self.storage.objects().items() if not name.startswith("quarantine/")}

    def spools(self) -> set[str]:
        return {str(path) for worker in self.workers for path in (worker.folder / "tapedeck-data/spool").glob("[!.]*")}

    def end(self) -> None:
        for node in [self.web, *self.workers]:
            node.end()
        self.storage.stop()
        self.database.stop()


def request_all(cluster: Alone | Cluster, ids: list[str]) -> None:
    """Asks for recordings without waiting, however often that takes while nodes die."""
    for id in ids:
        eventually(lambda id=id: asked(cluster, id), within=60)


def asked(cluster: Alone | Cluster, id: str) -> bool:
    try:
        return cluster.client().ingest(id, Prefer="respond-async").status in (200, 202)
    except OSError:
        return False


def archived(cluster: Alone | Cluster) -> int:
    return cluster.rows("SELECT count(*) AS number FROM recording WHERE archived_at IS NOT NULL")[0]["number"]


def assert_nothing_lost(cluster: Alone | Cluster, sandbox: Sandbox, ids: list[str], receiver: Receiver | None) -> None:
    """Every recording is in the archive once, whole, announced under one id; and nothing else is."""
    parts = cluster.rows(
        "SELECT r.platform_id, p.* FROM media_part p JOIN recording r ON r.id = p.recording_id ORDER BY p.part")
    assert sorted(part["platform_id"] for part in parts) == sorted(ids), "lost or twice"
    objects = cluster.objects()
    referred = set()
    for part in parts:
        for key, sha256, size in FILES:
            body = objects.get(part[key])
            assert body is not None, f"{part['platform_id']} has lost {part[key]}"
            assert (hashlib.sha256(body).hexdigest(), len(body)) == (part[sha256], part[size]), part[key]
            referred.add(part[key])
        assert objects[part["original_key"]] == sandbox.file(part["platform_id"]), "not what the platform has"
    jobs = cluster.rows("SELECT platform_id, run_state FROM job")
    assert sorted(job["platform_id"] for job in jobs) == sorted(ids)
    assert {job["run_state"] for job in jobs} == {"done"}
    entries = cluster.rows("SELECT platform_id FROM log_entry WHERE action = 'archive'")
    assert sorted(entry["platform_id"] for entry in entries) == sorted(ids), "archived and logged once each"
    if receiver:
        messages = cluster.rows("SELECT id, body FROM webhook_message")
        assert len(messages) == len(ids)
        eventually(lambda: {message.id for message in receiver.messages} == {row["id"] for row in messages}, within=60)
        heard = {}
        for message in receiver.messages:
            heard.setdefault(message.json()["recordingId"], set()).add(message.id)
        assert {id: len(names) for id, names in heard.items()} == dict.fromkeys(ids, 1), "one id for each"


def seeded() -> random.Random:
    """Dice whose seed is printed, and can be given again to repeat a run."""
    seed = int(os.environ.get("TAPEDECK_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"TAPEDECK_CHAOS_SEED={seed}")
    return random.Random(seed)
