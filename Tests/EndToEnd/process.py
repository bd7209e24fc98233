"""The built program: commands that end, and processes that run beside a test."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
from collections.abc import Sequence

from waiting import PATIENCE, eventually

DEFAULT_BINARY = pathlib.Path(__file__).resolve().parents[2] / ".build" / "debug" / "tapedeck"
BINARY = str(pathlib.Path(os.environ.get("TAPEDECK_BINARY") or DEFAULT_BINARY).resolve())

#: Its name in the output of `ps`, which has at most 15 characters.
TRANSCODER = "tapedeck-transcoder"[:15]

#: Settings that shorten waits. A recording that is not ready is polled often enough for the slowest machine.
QUICK = {"CXONE_RATE": "0", "CXONE_WAIT_CAP": "0.3", "CXONE_WAIT_ATTEMPTS": "600", "TAPEDECK_LISTEN": "127.0.0.1:0",
         "TAPEDECK_SYNC": "off", "TAPEDECK_DISK_RETRY_SECONDS": "1"}


def environment(settings: dict[str, str]) -> dict[str, str]:
    """The environment of the program: these settings, and none of the machine's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | settings


def command(folder: pathlib.Path, *arguments: str, settings: dict[str, str] | None = None, stdin: str = "",
            timeout: float = PATIENCE) -> subprocess.CompletedProcess:
    """Runs a command of the program."""
    return subprocess.run(
        [BINARY, *arguments], cwd=folder, env=environment(settings or {}), input=stdin, text=True, capture_output=True,
        timeout=timeout)


def limited(descriptors: tuple[int, int] | None) -> list[str]:
    """The start of a command line that limits open files."""
    return ["prlimit", f"--nofile={descriptors[0]}:{descriptors[1]}"] if descriptors else []


class Process:
    """A process of the program and its output."""

    def __init__(self, arguments: list[str], folder: pathlib.Path, settings: dict[str, str], log: pathlib.Path,
                 descriptors: tuple[int, int] | None = None, program: Sequence[str] = (BINARY,)):
        """`descriptors` are the soft and the hard limit of open files; `program` is another start of the command line."""
        self.log = log
        with log.open("ab") as file:
            start = file.tell()
            self.popen = subprocess.Popen(
                [*limited(descriptors), *program, *arguments], cwd=folder, env=environment(settings),
                stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        self._start = start

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> str:
        """Everything that this process has written."""
        return self.log.read_bytes()[self._start:].decode(errors="replace")

    def address(self, words: str) -> str:
        """Waits for the address that the process prints after these words; without one the process is killed."""

        def look():
            # With what follows it, so that it is not read while it is being written.
            found = re.search(re.escape(words) + r" (http://\S+)\s", self.output)
            if not found and self.popen.poll() is not None:
                raise RuntimeError(f"it ended with {self.popen.returncode}: {self.output}")
            return found and found[1]

        try:
            return eventually(look, every=0.01)
        except BaseException:
            self.kill()
            raise

    def terminate(self, within: float = PATIENCE) -> int:
        """Sends SIGTERM, waits, and returns the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(within)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def descendants(self) -> list[int]:
        """Its child processes and their children, including zombies."""
        parents = {pid: parent(pid) for pid in map(int, filter(str.isdigit, os.listdir("/proc")))}
        found = [self.pid]
        for pid in found:
            found += [child for child, its_parent in parents.items() if its_parent == pid]
        return found[1:]

    def transcoders(self) -> list[int]:
        return [pid for pid in self.descendants() if process_name(pid) == TRANSCODER and parent(pid) == self.pid]

    def conversions(self) -> list[int]:
        """The processes that convert. The transcoder that they are forked from does not count."""
        return [pid for pid in self.descendants() if process_name(pid) == TRANSCODER and parent(pid) != self.pid]

    def peak_kib(self) -> int:
        """Its peak resident memory in KiB, without its children."""
        return self._status("VmHWM")

    def threads(self) -> int:
        return self._status("Threads")

    def _status(self, name: str) -> int:
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise AssertionError(f"the kernel does not report {name}")


def process_name(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def process_state(pid: int) -> str:
    """The state letter of a process, such as `Z` for a zombie; empty when there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_running(pid: int) -> bool:
    return process_state(pid) not in ("", "Z", "X")


def parent(pid: int) -> int | None:
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
