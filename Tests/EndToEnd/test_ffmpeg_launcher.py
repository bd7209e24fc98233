"""The launcher library in programs that reveal more about themselves than FFmpeg does, and its protocol."""

import contextlib
import ctypes
import os
import pathlib
import platform
import random
import signal
import socket
import struct
import subprocess
from collections.abc import Callable

import pytest

from programs import BINARY, is_running
from waiting import PATIENCE, eventually

LIBRARY = pathlib.Path(BINARY).parent / "libtapedeck-ffmpeg-launcher.so"
FORK, KILL = 1, 2
READY, FORKED, NOT_FORKED, KILLED, ENDED = 1, 3, 4, 5, 6
LIMITS = (7, 1 << 32, 123456, 20)


class Launcher:
    """A program with the launcher library: linked and ready to fork, but not started."""

    def __init__(self, program: str, before_it: Callable[[], None] | None = None):
        self.socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        env = {"LC_ALL": "C", "LD_PRELOAD": str(LIBRARY), "TAPEDECK_FFMPEG_LAUNCHER": "1"}
        self.process = subprocess.Popen(
            [program], stdin=other, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env,
            preexec_fn=before_it)
        other.close()
        assert self.reply() == (READY, 1, 0)

    def reply(self) -> tuple[int, int, int]:
        return struct.unpack("=IiQ", self.socket.recv(64))

    def send(self, packet: bytes, descriptors: list[int] | None = None) -> None:
        if descriptors:
            socket.send_fds(self.socket, [packet], descriptors)
        else:
            self.socket.send(packet)

    def fork(self, id: int, arguments: list[str], output: int) -> int:
        """Starts a child that writes to `output`; returns its process id."""
        with open(os.devnull) as null:
            self.send(fork_request(id, arguments), [null.fileno(), output, output])
        kind, pid, about = self.reply()
        assert (kind, about) == (FORKED, id)
        return pid

    def run(self, *arguments: str) -> tuple[str, int]:
        """Runs a child; returns its output and its wait status."""
        read, write = os.pipe()
        self.fork(1, ["program", *arguments], write)
        os.close(write)
        with open(read) as output:
            text = output.read()
        kind, status, id = self.reply()
        assert (kind, id) == (ENDED, 1)
        return text, status

    def end(self) -> int:
        self.socket.close()
        return self.process.wait(PATIENCE)


def fork_request(id: int, arguments: list[str], limits: tuple = LIMITS) -> bytes:
    texts = b"".join(text.encode() + b"\0" for text in arguments)
    return struct.pack("=IIQQQQQ", FORK, len(arguments), id, *limits) + texts


@contextlib.contextmanager
def launcher(program: str = "/bin/sh", before_it: Callable[[], None] | None = None):
    started = Launcher(program, before_it)
    try:
        yield started
    finally:
        started.process.kill()
        started.end()


def test_a_child_gets_its_arguments_and_its_status_is_reported():
    with launcher() as served:
        assert served.run("-c", 'echo "$0,$1,$2"; exit 3', "a", "", "b c") == ("a,,b c\n", 3 << 8)
        assert served.run("-c", "kill -SEGV $$") == ("", signal.SIGSEGV)
        assert served.run("-c", "echo again") == ("again\n", 0)
        assert served.end() == 0


def test_the_environment_of_a_child_does_not_name_the_launcher():
    with launcher("/usr/bin/env") as served:
        assert served.run() == ("LC_ALL=C\n", 0)


# System calls, because the C library does not change the two signals that it uses to cancel threads.
RT_SIGACTION, RT_SIGPROCMASK = {"x86_64": (13, 14), "aarch64": (134, 135)}[platform.machine()]


def refuse_all_signals() -> None:
    """Ignores and blocks all signals; the next program inherits that."""
    library = ctypes.CDLL(None)
    ignored = (ctypes.c_ulong * 8)(int(signal.SIG_IGN))
    for number in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP}:
        assert library.syscall(RT_SIGACTION, number, ignored, None, 8) == 0
    assert library.syscall(RT_SIGPROCMASK, signal.SIG_SETMASK, (ctypes.c_ulong * 1)(2**64 - 1), None, 8) == 0


@pytest.mark.parametrize("before_it", [None, refuse_all_signals])
def test_a_child_has_three_descriptors_its_limits_and_default_signals(before_it):
    with launcher(before_it=before_it) as served:
        text, status = served.run("-c", "exec cat /proc/self/limits /proc/self/status; exit 1")
        assert status == 0
        lines = [" ".join(line.split()) for line in text.splitlines()]
        for line in ("Max cpu time 7 7 seconds", "Max address space 4294967296 4294967296 bytes",
                     "Max file size 123456 123456 bytes", "Max open files 20 20 files",
                     "Max core file size 0 0 bytes", "SigBlk: 0000000000000000", "SigIgn: 0000000000000000",
                     "NoNewPrivs: 1"):
            assert line in lines
        # Without a pipe, whose ends the shell would hold for a moment.
        text, _ = served.run("-c", "ls /proc/$$/fd; true")
        assert text.split() == ["0", "1", "2"]


def test_a_child_leads_a_group_that_ends_with_it():
    with launcher() as served:
        text, status = served.run("-c", "sleep 1000 >/dev/null 2>&1 & echo $$ $! $(ps -o pgid= $!)")
        leader, sleeper, group = map(int, text.split())
        assert (group, status) == (leader, 0)
        eventually(lambda: not is_running(sleeper))


def test_a_child_is_killed_on_request_with_its_own_children():
    with launcher() as served:
        read, write = os.pipe()
        served.fork(8, ["sh", "-c", "sleep 1000 & echo $!; wait"], write)
        os.close(write)
        with open(read) as output:
            sleeper = int(output.readline())
            served.send(struct.pack("=IIQQQQQ", KILL, 0, 8, 0, 0, 0, 0))
            assert output.read() == ""
        assert {served.reply(), served.reply()} == {(KILLED, 0, 8), (ENDED, signal.SIGKILL, 8)}
        eventually(lambda: not is_running(sleeper))
        served.send(struct.pack("=IIQQQQQ", KILL, 0, 8, 0, 0, 0, 0))
        assert served.reply() == (KILLED, 0, 8)


@pytest.mark.parametrize("way", ["closed", "killed"])
def test_no_child_outlives_its_launcher(way):
    with launcher() as served:
        with open(os.devnull, "w") as null:
            children = [served.fork(id, ["sh", "-c", "kill -STOP $$"], null.fileno()) for id in range(5)]
        if way == "closed":
            assert served.end() == 0
        else:
            served.process.kill()
        eventually(lambda: not any(map(is_running, children)))


def test_the_number_of_children_is_limited():
    with launcher("/bin/cat") as served:
        read, write = os.pipe()
        with open(os.devnull, "w") as null:
            for id in range(1, 258):
                served.send(fork_request(id, ["cat"]), [read, null.fileno(), null.fileno()])
                kind, value, about = served.reply()
                assert about == id
                assert kind == (FORKED if id <= 256 else NOT_FORKED), (id, value)
        os.close(read)
        os.close(write)
        ended = {served.reply() for _ in range(256)}
        assert ended == {(ENDED, 0, id) for id in range(1, 257)}


def test_limits_above_those_of_the_machine_are_lowered():
    with launcher() as served:
        # Not even root may have more open files than the system allows.
        with open("/proc/sys/fs/nr_open") as limit:
            most = int(limit.read())
        read, write = os.pipe()
        with open(os.devnull) as null:
            request = fork_request(1, ["sh", "-c", "ulimit -n"], (7, 1 << 32, 1, most + 1))
            served.send(request, [null.fileno(), write, write])
        os.close(write)
        with open(read) as output:
            assert 0 < int(output.read()) <= most
        assert [served.reply()[0], served.reply()] == [FORKED, (ENDED, 0, 1)]


GOOD = fork_request(1, ["sh", "-c", "exit 0"])
BAD = {
    "short": b"\1",
    "one byte less than a head": GOOD[:47],
    "no text": GOOD[:48],
    "no end of the last text": GOOD[:-1],
    "a text too many": GOOD + b"x\0",
    "no arguments": fork_request(1, []),
    "too many arguments": fork_request(1, ["x"] * 256),
    "a number of arguments that overflows": GOOD[:4] + b"\xff\xff\xff\xff" + GOOD[8:],
    "longer than a packet": fork_request(1, ["x" * 40000]),
    "another kind": struct.pack("=IIQQQQQ", 3, 0, 1, 0, 0, 0, 0),
    "a kill with more behind it": struct.pack("=IIQQQQQ", KILL, 0, 1, 0, 0, 0, 0) + b"x",
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_request_ends_the_launcher(name):
    with launcher() as served, open(os.devnull) as null:
        served.send(BAD[name], [] if name in ("another kind", "short") else [null.fileno()] * 3)
        assert served.process.wait(PATIENCE) == 1


@pytest.mark.parametrize("count", [0, 1, 2, 4, 50])
def test_a_request_with_another_number_of_descriptors_ends_the_launcher(count):
    with launcher() as served, open(os.devnull) as null:
        served.send(GOOD, [null.fileno()] * count)
        assert served.process.wait(PATIENCE) == 1


def test_random_bytes_do_not_crash_the_launcher():
    """A launcher that receives random bytes forks as requested or ends; it neither hangs nor crashes."""
    dice = random.Random(7)
    for _ in range(100):
        with launcher("/bin/true") as served, open(os.devnull) as null:
            packet = bytearray(GOOD)
            for _ in range(dice.randrange(1, 6)):
                packet[dice.randrange(len(packet))] = dice.randrange(256)
            if dice.random() < 0.3:
                packet = packet[:dice.randrange(1, len(packet))]
            served.send(bytes(packet), [null.fileno()] * 3)
            served.socket.shutdown(socket.SHUT_WR)
            assert served.process.wait(PATIENCE) in (0, 1), bytes(packet)


def test_without_its_variable_the_library_does_nothing():
    env = {"LD_PRELOAD": str(LIBRARY)}
    done = subprocess.run(["/usr/bin/env"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == f"LD_PRELOAD={LIBRARY}\n"
