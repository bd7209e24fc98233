"""The sandbox tenant and the server, each in a process of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading

from archive import DataDirectory
from client import Client, Reply, path_segment, request
from process import (
    BINARY, PATIENCE, QUICK, Process, command, environment, is_running, process_name, process_state)

__all__ = [
    "BINARY", "PASSWORD", "PATIENCE", "QUICK", "Client", "Process", "Reply", "Sandbox", "Server", "Template", "command",
    "environment", "is_running", "path_segment", "process_name", "process_state", "request"]

#: The password of the accounts in a template.
PASSWORD = "correct horse"


class Template:
    """A data directory with one token per role and two accounts; servers start from a copy of it.

    Without it, every test would run several commands. Its password hashes have the lowest cost, because signing in with
    the standard cost takes 0.4 s of processor time.
    """

    accounts = {"sue": "supervisor", "anna": "agent"}

    def __init__(self, folder: pathlib.Path):
        self.data = DataDirectory(folder / "tapedeck-data")
        self.tokens = {role: self._run(folder, "token", "create", f"test {role}", "--role", role).strip()
                       for role in ("agent", "supervisor", "admin", "metrics")}
        for name, role in self.accounts.items():
            self._run(folder, "user", "add", name, "--role", role, stdin=PASSWORD + "\n")
        catalog = sqlite3.connect(self.data.path / "catalog.sqlite")
        with catalog:
            changed = catalog.execute("UPDATE account SET password_hash = ?", [cheap_hash(PASSWORD)])
            assert changed.rowcount == len(self.accounts)
        catalog.close()

    def _run(self, folder: pathlib.Path, *arguments: str, stdin: str = "") -> str:
        if not self.data.path.exists():
            assert command(folder, "init", "--empty", settings=QUICK).returncode == 0
        done = command(folder, *arguments, settings=QUICK, stdin=stdin)
        assert done.returncode == 0, done
        return done.stdout


def cheap_hash(password: str) -> str:
    """A password in its stored form, `scrypt$<log2 of the cost>$<salt>$<hash>`, at the lowest cost."""
    salt = b"0123456789abcdef"
    key = hashlib.scrypt(password.encode(), salt=salt, n=2, r=8, p=1, dklen=32)
    return "$".join(["scrypt", "1", base64.b64encode(salt).decode(), base64.b64encode(key).decode()])


class Sandbox(Process):
    """A sandbox tenant on a free port."""

    def __init__(self, folder: pathlib.Path, *arguments: str):
        super().__init__(["sandbox", "--port", "0", *arguments], folder, {}, folder / "sandbox.log")
        self.base = self.address("The sandbox tenant listens on")

    @property
    def settings(self) -> dict[str, str]:
        return {
            "CXONE_BASE_URL": self.base, "CXONE_CLIENT_ID": "sandbox-client", "CXONE_CLIENT_SECRET": "sandbox-secret"}

    def fault(self, fault: str, recording: str | None = None, **rule) -> None:
        if recording:
            rule["recording"] = recording
        reply = request(
            self.base, "POST", "/sandbox/faults", {"Content-Type": "application/json"},
            json.dumps({"fault": fault, **rule}))
        assert reply.status == 201, reply

    def add_file(self, id: str, content: bytes, seconds: int, media_type: str = "application/octet-stream") -> None:
        """Makes the tenant have a recording with this file."""
        reply = request(
            self.base, "PUT", f"/sandbox/recordings/{path_segment(id)}?seconds={seconds}",
            {"Content-Type": media_type}, content)
        assert reply.status == 204, reply

    def clear_faults(self) -> None:
        assert request(self.base, "DELETE", "/sandbox/faults").status == 204

    def faults(self) -> list[dict]:
        return request(self.base, "GET", "/sandbox/faults").json()["faults"]

    def statistics(self) -> dict:
        return request(self.base, "GET", "/sandbox/requests").json()

    def reset(self) -> None:
        """Puts the tenant into the state of its start."""
        assert request(self.base, "POST", "/sandbox/reset").status == 204

    def forget_requests(self) -> None:
        assert request(self.base, "DELETE", "/sandbox/requests").status == 204

    def downloads(self, id: str) -> list[dict]:
        """The requests for the audio of a recording, oldest first."""
        return [entry for entry in self.statistics()["recent"]
                if entry["endpoint"] == "download" and entry.get("recording") == id]

    def search(self, query: str) -> dict:
        return self._authorised(f"/api/v2/recordings?{query}").json()

    def metadata(self, id: str) -> dict:
        return self._authorised(f"/api/v2/recording/{path_segment(id)}").json()

    def file(self, id: str) -> bytes:
        """The recording's audio, straight from the tenant; not to be called while faults are set."""
        reply = self._authorised(f"/api/v2/recording/{path_segment(id)}/download")
        assert reply.status == 200, reply
        return reply.body

    def _authorised(self, path: str) -> Reply:
        basic = "Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ="
        token = request(
            self.base, "POST", "/oauth2/token",
            {"Authorization": basic, "Content-Type": "application/x-www-form-urlencoded"},
            "grant_type=client_credentials").json()["access_token"]
        return request(self.base, "GET", path, {"Authorization": f"Bearer {token}"})


class Server:
    """`tapedeck serve` in a folder of its own; can be killed and started again over the same data directory."""

    def __init__(self, folder: pathlib.Path, settings: dict[str, str], template: Template | None = None):
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.settings = QUICK | settings
        self.data = DataDirectory(folder / "tapedeck-data")
        self.log = folder / "server.log"
        self.process: Process | None = None
        self.url = ""
        self._tokens: dict[str, str] = {}
        if template:
            shutil.copytree(template.data.path, self.data.path)
            self._tokens |= template.tokens
        self._lock = threading.Lock()

    def start(self, descriptors: tuple[int, int] | None = None) -> Server:
        self.process = Process(["serve"], self.folder, self.settings, self.log, descriptors)
        self.url = self.process.address("Tapedeck listens on")
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.process.kill()

    def terminate(self) -> int:
        return self.process.terminate()

    def end(self) -> None:
        """Ends the server and its children, whatever they are doing."""
        if not self.process or self.process.popen.poll() is not None:
            return
        try:
            self.process.terminate(within=60)
        except subprocess.TimeoutExpired:
            children = self.process.descendants()
            self.process.kill()
            for child in children:
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def command(self, *arguments: str, stdin: str = "", timeout: float = PATIENCE) -> subprocess.CompletedProcess:
        return command(self.folder, *arguments, settings=self.settings, stdin=stdin, timeout=timeout)

    def ok(self, *arguments: str, stdin: str = "") -> str:
        """Runs a command that must succeed, and returns its standard output."""
        done = self.command(*arguments, stdin=stdin)
        assert done.returncode == 0, done
        return done.stdout

    def lines(self, *arguments: str) -> list[dict]:
        """Runs a command that prints one JSON object per line."""
        return [json.loads(line) for line in self.ok(*arguments).splitlines()]

    def audit(self, *filters: str) -> list[dict]:
        return self.lines("audit", "list", "--json", "--limit", "1000", *filters)

    def token(self, role: str) -> str:
        with self._lock:
            if role not in self._tokens:
                self._tokens[role] = self.ok("token", "create", f"test {role}", "--role", role).strip()
            return self._tokens[role]

    def client(self, role: str) -> Client:
        return Client(self.url, self.token(role))

    @property
    def supervisor(self) -> Client:
        return self.client("supervisor")

    @property
    def agent(self) -> Client:
        return self.client("agent")

    @property
    def anonymous(self) -> Client:
        return Client(self.url, None)
