"""Measures processes for the benchmark, and starts and ends them."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """A missing condition without which the figures would be meaningless."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its descendants, and those among them that have been waited for."""
    ticks, parents = {}, {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in the second field may hold spaces and brackets; what follows its last bracket does not.
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        process = int(stat.parent.name)
        parents[process], ticks[process] = int(fields[1]), sum(map(int, fields[11:15]))
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return sum(ticks[member] for member in family) / TICKS_PER_SECOND


def peak_memory_mib(pid: int) -> float:
    """The maximum resident set of a process, without its children."""
    return memory_mib(pid, "VmHWM")


def memory_mib(pid: int, name: str = "VmRSS") -> float:
    """The resident set of a process, as `ps -o rss` shows it."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise Failure(f"/proc/{pid}/status has no {name}.")


def http_status(url: str) -> int:
    """The status of a response, or 0 when there is none."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], folder: pathlib.Path, env: Mapping[str, str], ready: Callable[[], bool]
) -> Iterator[subprocess.Popen]:
    """A server that is ready inside the `with` block and is ended by SIGTERM after it."""
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 60
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"{name} did not start. The end of its output:\n{tail(log)}")
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tail(log: pathlib.Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def run_to_end(command: Sequence[str], folder: pathlib.Path, env: Mapping[str, str]) -> tuple[float, float, float]:
    """Runs a command; returns wall seconds, CPU seconds including children, and MiB of its largest process."""
    started = time.monotonic()
    # A group of its own, so that its grandchildren can be ended with it.
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failure(f"{command[0]} ended with status {process.returncode}.")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
