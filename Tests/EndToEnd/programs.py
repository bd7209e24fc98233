"""The built program as tests use it: commands, the sandbox tenant and the server, each a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import urllib.parse
from dataclasses import dataclass, field

from archive import DataDirectory
from waiting import eventually

DEFAULT_BINARY = pathlib.Path(__file__).resolve().parents[2] / ".build" / "debug" / "tapedeck"
BINARY = str(pathlib.Path(os.environ.get("TAPEDECK_BINARY") or DEFAULT_BINARY).resolve())

#: Waiting as in production would only make tests slow.
QUICK = {"CXONE_RATE": "0", "CXONE_WAIT_CAP": "0.3", "CXONE_WAIT_ATTEMPTS": "60", "TAPEDECK_LISTEN": "127.0.0.1:0",
         "TAPEDECK_SYNC": "off"}


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Nothing of the machine's own settings may reach the program."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | settings


def command(folder: pathlib.Path, *arguments: str, settings: dict[str, str] | None = None, stdin: str = "",
            timeout: float = 120) -> subprocess.CompletedProcess:
    """Runs the program once."""
    return subprocess.run(
        [BINARY, *arguments], cwd=folder, env=environment(settings or {}), input=stdin, text=True, capture_output=True,
        timeout=timeout)


def path_segment(id: str) -> str:
    """An id as one segment of an address; a tilde would separate a source from it."""
    return urllib.parse.quote(id, safe="").replace("~", "%7E")


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    #: As they came, since several may have one name.
    cookies: list[str] = field(default_factory=list)

    def json(self):
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> str:
        """The stable code of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json()
        assert problem["status"] == self.status and problem["detail"] and problem["requestId"]
        return problem["code"]


def request(address: str, method: str, path: str, headers: dict[str, str] | None = None,
            body: bytes | str | None = None, timeout: float = 120) -> Reply:
    """One request whose path goes out exactly as it is written."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Reply(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read(),
            response.headers.get_all("Set-Cookie") or [])
    finally:
        connection.close()


@dataclass
class Client:
    """Somebody with an API token."""

    address: str
    token: str | None

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | str | None = None,
                timeout: float = 120) -> Reply:
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return request(self.address, method, path, own | (headers or {}), body, timeout)

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def ingest(self, id: str, query: str = "", timeout: float = 120, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", f"/ingest/{path_segment(id)}{query}", named, timeout=timeout)

    def start(self, id: str) -> str:
        """Has a recording fetched without waiting; the address of its job."""
        reply = self.ingest(id, Prefer="respond-async")
        assert reply.status == 202, reply
        return reply.headers["location"]

    def job(self, address: str) -> dict:
        reply = self.get(address)
        assert reply.status == 200, reply
        return reply.json()

    def job_until(self, address: str, condition, within: float = 30) -> dict:
        def look():
            job = self.job(address)
            return job if condition(job) else None

        return eventually(look, within=within)


class Process:
    """A process that is gone when its test is over, with everything it wrote."""

    def __init__(self, arguments: list[str], folder: pathlib.Path, settings: dict[str, str], log: pathlib.Path):
        self.log = log
        with log.open("ab") as file:
            start = file.tell()
            self.popen = subprocess.Popen(
                [BINARY, *arguments], cwd=folder, env=environment(settings), stdin=subprocess.DEVNULL, stdout=file,
                stderr=file)
        self._start = start

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> str:
        """What this process wrote so far."""
        return self.log.read_bytes()[self._start:].decode(errors="replace")

    def address(self, words: str, within: float = 30) -> str:
        """The address that it prints after these words; without one it is killed."""

        def look():
            found = re.search(re.escape(words) + r" (http://\S+)", self.output)
            if not found and self.popen.poll() is not None:
                raise RuntimeError(f"it ended with {self.popen.returncode}: {self.output}")
            return found and found[1]

        try:
            return eventually(look, within=within, every=0.01)
        except BaseException:
            self.kill()
            raise

    def terminate(self, within: float = 30) -> int:
        """Asks it to end, and gives its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(within)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def descendants(self) -> list[int]:
        """The processes that it has started and those that they have started, as far as nobody has buried them yet."""
        parents = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                pass
        found = [self.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found[1:]

    def conversions(self) -> list[int]:
        """Those of them that are FFmpeg at work; not the launcher that they are forked from, which has another name, except
        while it is being linked."""
        return [pid for pid in self.descendants() if process_name(pid) == "ffmpeg" and not is_launcher(pid)]

    def peak_kib(self) -> int:
        """The most memory it ever held, its children apart."""
        return self._status("VmHWM")

    def threads(self) -> int:
        return self._status("Threads")

    def _status(self, name: str) -> int:
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise AssertionError(f"the kernel does not tell {name}")


def process_name(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_launcher(pid: int) -> bool:
    """Whether it was started as FFmpeg's launcher: its children have its words, but a launcher as their parent."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return False
    return words.startswith(b"ffmpeg, linked once") and process_name(parent) != "ffmpeg-launcher"


class Sandbox(Process):
    """A simulated tenant on a free port."""

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

    def clear_faults(self) -> None:
        assert request(self.base, "DELETE", "/sandbox/faults").status == 204

    def faults(self) -> list[dict]:
        return request(self.base, "GET", "/sandbox/faults").json()["faults"]

    def ledger(self) -> dict:
        return request(self.base, "GET", "/sandbox/requests").json()

    def forget_requests(self) -> None:
        assert request(self.base, "DELETE", "/sandbox/requests").status == 204

    def downloads(self, id: str) -> list[dict]:
        """The requests for the audio of a recording, oldest first."""
        return [entry for entry in self.ledger()["recent"]
                if entry["endpoint"] == "download" and entry.get("recording") == id]

    def search(self, query: str) -> dict:
        return self._authorised(f"/api/v2/recordings?{query}").json()

    def metadata(self, id: str) -> dict:
        return self._authorised(f"/api/v2/recording/{path_segment(id)}").json()

    def file(self, id: str) -> bytes:
        """The recording as the tenant sends it to anybody with a token; not to be called while faults are in force."""
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
    """`tapedeck serve` in a folder of its own; may be killed and started again over the same data directory."""

    def __init__(self, folder: pathlib.Path, settings: dict[str, str]):
        self.folder = folder
        self.settings = QUICK | settings
        self.data = DataDirectory(folder / "tapedeck-data")
        self.log = folder / "server.log"
        self.process: Process | None = None
        self.url = ""
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def start(self) -> Server:
        self.process = Process(["serve"], self.folder, self.settings, self.log)
        self.url = self.process.address("Tapedeck listens on")
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.process.kill()

    def terminate(self, within: float = 30) -> int:
        return self.process.terminate(within)

    def end(self) -> None:
        """Whatever it is doing, it is gone afterwards, and its children too."""
        if not self.process or self.process.popen.poll() is not None:
            return
        try:
            self.process.terminate(within=10)
        except subprocess.TimeoutExpired:
            children = self.process.descendants()
            self.process.kill()
            for child in children:
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def command(self, *arguments: str, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess:
        return command(self.folder, *arguments, settings=self.settings, stdin=stdin, timeout=timeout)

    def ok(self, *arguments: str, stdin: str = "") -> str:
        """Runs a command that must succeed; what it printed."""
        done = self.command(*arguments, stdin=stdin)
        assert done.returncode == 0, done
        return done.stdout

    def lines(self, *arguments: str) -> list[dict]:
        """Runs a command that prints one JSON object a line."""
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
