"""The services that nodes share: PostgreSQL and an S3-compatible store, each a process on loopback."""

from __future__ import annotations

import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import boto3
import botocore.config

from waiting import eventually


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def postgres_program(name: str) -> str:
    """Debian keeps a server's programs out of PATH."""
    for folder in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True):
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    found = shutil.which(name)
    assert found, f"{name} is not installed. 'scripts/bootstrap --for test' installs it."
    return found


class PostgreSQL:
    """A cluster of its own in a folder, with one database; durable enough for tests that kill clients, not machines."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder / "postgresql"
        self.folder.mkdir()
        # The server refuses root, so that root's tests run it as its own user.
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(self.folder, "postgres", "postgres")
            for parent in self.folder.parents:
                if parent == pathlib.Path("/tmp") or parent == pathlib.Path("/"):
                    break
                parent.chmod(parent.stat().st_mode | 0o011)
        self.port = free_port()
        self._run([postgres_program("initdb"), "-D", str(self.folder / "data"), "-U", "tapedeck", "--auth=trust",
                   "--no-sync", "--encoding=UTF8", "--locale=C"])
        self.start()
        subprocess.run([*self._psql("postgres"), "-c", "CREATE DATABASE tapedeck"], check=True, capture_output=True)

    def start(self) -> None:
        options = (f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} "
                   "-c fsync=off -c max_connections=200")
        self._run([postgres_program("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-o", options,
                   "-l", str(self.folder / "log"), "start"])

    def stop(self, mode: str = "immediate") -> None:
        self._run([postgres_program("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-m", mode, "stop"])

    @property
    def url(self) -> str:
        return self.url_through(self.port)

    def url_through(self, port: int) -> str:
        return f"postgres://tapedeck@127.0.0.1:{port}/tapedeck"

    def rows(self, sql: str, *values: str | int) -> list[dict]:
        """Rows as a stranger reads them; `?` stands for a value."""
        pieces = sql.split("?")
        text = pieces[0] + "".join(quoted(value) + piece for value, piece in zip(values, pieces[1:], strict=True))
        done = subprocess.run(
            [*self._psql("tapedeck"), "-c", f"SELECT row_to_json(answer) FROM ({text}) AS answer"], check=True,
            capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def execute(self, sql: str) -> None:
        subprocess.run([*self._psql("tapedeck"), "-c", sql], check=True, capture_output=True)

    def _psql(self, database: str) -> list[str]:
        return ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tapedeck", "-d", database, "-X", "-A", "-t",
                "-q", "-v", "ON_ERROR_STOP=1"]

    def _run(self, command: list[str]) -> None:
        done = subprocess.run([*self._as_user, *command], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout


def quoted(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


class ObjectStorage:
    """moto's S3 with one bucket."""

    bucket = "recordings"
    key_id, secret = "test", "test-secret-access-key"

    def __init__(self, folder: pathlib.Path):
        self.port = free_port()
        with (folder / "s3.log").open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        eventually(self._answers, within=60)
        self.client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}))
        self.client.create_bucket(Bucket=self.bucket)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=2):
                return True
        except OSError:
            return False

    @property
    def settings(self) -> dict[str, str]:
        return {
            "TAPEDECK_STORAGE_URL": f"s3://{self.bucket}/archive?endpoint={self.endpoint}&region=us-east-1",
            "AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret}

    def objects(self) -> dict[str, bytes]:
        """Every object below the prefix, by its name in it."""
        found = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="archive/"):
            for item in page.get("Contents", []):
                body = self.client.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read()
                found[item["Key"].removeprefix("archive/")] = body
        return found

    def pause(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.popen.kill()
        self.popen.wait()


class Wire:
    """A TCP way to a port that can be cut: connections break, new ones are refused."""

    def __init__(self, target: int):
        self._target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
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
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def cut(self) -> None:
        self._cut = True
        with self._lock:
            ends = list(self._open)
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def mend(self) -> None:
        self._cut = False

    def close(self) -> None:
        self._listener.close()
        self.cut()
