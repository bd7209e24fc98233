"""The services that nodes share: PostgreSQL and an S3-compatible object store, each a process on loopback."""

from __future__ import annotations

import glob
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import boto3
import botocore.config

#: Below the ports that the system gives out by itself, so that none is taken between the choice and its use.
_FIRST_PORT, _PORTS_PER_WORKER = 12_000, 1_000
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(range(os.getpid() % _PORTS_PER_WORKER, os.getpid() % _PORTS_PER_WORKER + _PORTS_PER_WORKER))


def free_port() -> int:
    """A port of loopback that is free. Each pytest worker has a range of its own."""
    while True:
        port = _FIRST_PORT + _worker * _PORTS_PER_WORKER + next(_ports) % _PORTS_PER_WORKER
        with socket.socket() as listener:
            # As servers do; without it a port that was in use a moment ago counts as taken.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def postgres_program(name: str) -> str:
    """The path of a PostgreSQL program; Debian installs them outside of PATH."""
    for folder in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True):
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    found = shutil.which(name)
    assert found, f"{name} is not installed. 'scripts/bootstrap --for test' installs it."
    return found


class PostgreSQL:
    """A database server with its data in a folder. It does not sync: tests kill clients, not the machine."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder / "postgresql"
        self.folder.mkdir()
        # The server does not run as root.
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(self.folder, "postgres", "postgres")
            for parent in self.folder.parents:
                if parent == pathlib.Path("/tmp") or parent == pathlib.Path("/"):
                    break
                parent.chmod(parent.stat().st_mode | 0o011)
        self.port = free_port()
        self._databases = itertools.count(1)
        self._run([postgres_program("initdb"), "-D", str(self.folder / "data"), "-U", "tapedeck", "--auth=trust",
                   "--no-sync", "--encoding=UTF8", "--locale=C"])
        self.start()

    def start(self) -> None:
        options = (f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} "
                   "-c fsync=off -c full_page_writes=off -c max_connections=200")
        self._run([postgres_program("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", "300", "-o", options,
                   "-l", str(self.folder / "log"), "start"])

    def stop(self, mode: str = "immediate") -> None:
        self._run([postgres_program("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", "300", "-m", mode, "stop"])

    def is_running(self) -> bool:
        return (self.folder / "data" / "postmaster.pid").exists()

    def make_database(self) -> Database:
        name = f"tapedeck_{next(self._databases)}"
        self.psql("postgres", f"CREATE DATABASE {name}")
        return Database(self, name)

    def psql(self, database: str, sql: str) -> list[str]:
        """Runs one statement; the lines of its result."""
        done = subprocess.run(
            ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tapedeck", "-d", database, "-X", "-A", "-t",
             "-q", "-v", "ON_ERROR_STOP=1", "-c", sql], check=True, capture_output=True, text=True)
        return done.stdout.splitlines()

    def _run(self, command: list[str]) -> None:
        done = subprocess.run([*self._as_user, *command], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout


class Database:
    """An empty database of a server."""

    def __init__(self, server: PostgreSQL, name: str):
        self.server, self.name = server, name

    @property
    def url(self) -> str:
        return self.url_through(self.server.port)

    def url_through(self, port: int) -> str:
        return f"postgres://tapedeck@127.0.0.1:{port}/{self.name}"

    def rows(self, sql: str, *values: str | int) -> list[dict]:
        """The rows of a query, read with `psql`; `?` stands for a value."""
        pieces = sql.split("?")
        text = pieces[0] + "".join(quoted(value) + piece for value, piece in zip(values, pieces[1:], strict=True))
        lines = self.server.psql(self.name, f"SELECT row_to_json(answer) FROM ({text}) AS answer")
        return [json.loads(line) for line in lines]

    def drop(self) -> None:
        self.server.psql("postgres", f"DROP DATABASE {self.name} WITH (FORCE)")


def quoted(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


#: moto chooses a free port by itself and says which.
S3_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


class S3:
    """moto's S3. It ends with the tests, because its standard input does."""

    key_id, secret = "test", "test-secret-access-key"

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-c", S3_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.endpoint = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._buckets = itertools.count(1)
        self.client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}))

    def make_bucket(self, name: str | None = None) -> Bucket:
        name = name or f"recordings-{next(self._buckets)}"
        self.client.create_bucket(Bucket=name)
        return Bucket(self, name)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class Bucket:
    """An empty bucket of an S3 server; Tapedeck uses the prefix `archive`."""

    def __init__(self, server: S3, name: str):
        self.server, self.name = server, name

    @property
    def settings(self) -> dict[str, str]:
        return {
            "TAPEDECK_STORAGE_URL": f"s3://{self.name}/archive?endpoint={self.server.endpoint}&region=us-east-1",
            "AWS_ACCESS_KEY_ID": self.server.key_id, "AWS_SECRET_ACCESS_KEY": self.server.secret}

    def objects(self) -> dict[str, bytes]:
        """Every object below the prefix, by its name without the prefix."""
        found = {}
        pages = self.server.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix="archive/")
        for item in (item for page in pages for item in page.get("Contents", [])):
            body = self.server.client.get_object(Bucket=self.name, Key=item["Key"])["Body"].read()
            found[item["Key"].removeprefix("archive/")] = body
        return found

    def put(self, name: str, body: bytes) -> None:
        self.server.client.put_object(Bucket=self.name, Key=f"archive/{name}", Body=body)

    def remove(self) -> None:
        for name in self.objects():
            self.server.client.delete_object(Bucket=self.name, Key=f"archive/{name}")
        self.server.client.delete_bucket(Bucket=self.name)


class Backing:
    """A PostgreSQL server and an S3 server that tests share; each test takes a database and a bucket of its own."""

    def __init__(self, folder: pathlib.Path):
        self.postgresql = PostgreSQL(folder)
        self.s3 = S3()

    def __enter__(self) -> Backing:
        return self

    def __exit__(self, *_) -> None:
        self.s3.stop()
        if self.postgresql.is_running():
            self.postgresql.stop()
