"""The transcoder as Tapedeck uses it: requests and replies on a socket, reports on pipes (Sources/Transcoder/protocol.h)."""

from __future__ import annotations

import array
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass, field

CONVERT, CANCEL = 1, 2
READY, REFUSED, ENDED = 1, 2, 3
STRICT, WITHOUT_SECCOMP = 1, 1 << 31
STAGES = {1: "sandbox", 2: "open", 3: "decode", 4: "encode", 5: "output", 6: "memory", 7: "input", 8: "audio"}
GIB = 1 << 30
#: For what must come; a test that waits this long fails.
PATIENCE = 30


@dataclass
class Limits:
    cpu_seconds: int = 20
    memory_bytes: int = 2 * GIB
    output_bytes: int = GIB
    audio_milliseconds: int = 3_600_000
    #: 0 for what suits the recording.
    mp3_rate: int = 0
    mp3_channels: int = 0


@dataclass
class Reply:
    kind: int
    status: int
    id: int
    numbers: tuple[int, int]
    text: str


@dataclass
class Report:
    facts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    peaks: bytes = b""
    #: Stage and text.
    error: tuple[str, str] | None = None
    #: Decoded samples, the same at 8 kHz, bytes of the MP3, packets that could not be decoded.
    end: tuple[int, int, int, int] | None = None
    #: Whether frames are missing or malformed, as after a crash.
    is_broken: bool = False

    @classmethod
    def read(cls, rest: bytes) -> Report:
        report = cls()
        while len(rest) >= 5:
            kind, length = struct.unpack("<cI", rest[:5])
            body, rest = rest[5 : 5 + length], rest[5 + length :]
            assert length <= 32 << 10
            assert report.error is None and report.end is None, "a frame after the last one"
            match kind:
                case b"F":
                    name, _, value = body.decode(errors="replace").partition("\0")
                    report.facts[name] = value
                case b"W":
                    report.warnings.append(body.decode(errors="replace"))
                case b"P":
                    report.peaks += body
                case b"E":
                    report.error = (STAGES[struct.unpack("<i", body[:4])[0]], body[8:].decode(errors="replace"))
                case b"Z":
                    report.end = struct.unpack("<4Q", body)
                case _:
                    raise AssertionError(f"unknown frame {kind}")
        report.is_broken = bool(rest) or (report.error is None and report.end is None)
        return report


class Conversion:
    """A running conversion. Its report is read in the background."""

    def __init__(self, transcoder: Transcoder, number: int, report: int):
        self.transcoder, self.number = transcoder, number
        self._report, self._bytes = report, b""
        self.began = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while piece := os.read(self._report, 1 << 16):
            self._bytes += piece
            self.began.set()
        os.close(self._report)

    def result(self) -> tuple[Reply, Report]:
        """How it ended, and its report."""
        reply = self.transcoder.ended(self.number)
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive(), "the report has no end"
        return reply, Report.read(self._bytes)

    @property
    def process(self) -> int:
        """The number of its process, when it is the only one."""
        [process] = self.transcoder.children()
        return process


class Transcoder:
    def __init__(self, binary: pathlib.Path | str, *arguments: str, environment: dict[str, str] | None = None):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        with theirs:
            self.process = subprocess.Popen(
                [str(binary), *arguments], stdin=theirs, stdout=subprocess.DEVNULL, env=environment or {})
        self._count = 0
        self._ended: dict[int, Reply] = {}
        self.ready = self.reply()
        assert (self.ready.kind, self.ready.status) == (READY, 1)

    def __enter__(self) -> Transcoder:
        return self

    def __exit__(self, *_: object):
        self.socket.close()
        self.process.wait(PATIENCE)

    def reply(self) -> Reply:
        packet = self.socket.recv(1024)
        if not packet:
            raise EOFError("the transcoder has ended")
        kind, status, number, first, second, text = struct.unpack("=IiQQQ32s", packet)
        return Reply(kind, status, number, (first, second), text.rstrip(b"\0").decode())

    def ended(self, number: int) -> Reply:
        while number not in self._ended:
            reply = self.reply()
            assert reply.kind in (ENDED, REFUSED)
            self._ended[reply.id] = reply
        return self._ended.pop(number)

    def children(self) -> list[int]:
        process = self.process.pid
        return [int(child) for child in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()]

    def send(self, demuxer: str, source: int, mp3: int, report: int, limits: Limits, flags: int = 0) -> int:
        self._count += 1
        request = struct.pack(
            "=IIQQQQQ16sII", CONVERT, flags, self._count, limits.cpu_seconds, limits.memory_bytes, limits.output_bytes,
            limits.audio_milliseconds, demuxer.encode(), limits.mp3_rate, limits.mp3_channels)
        rights = array.array("i", [source, mp3, report])
        self.socket.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        return self._count

    def cancel(self, number: int):
        self.socket.send(struct.pack("=IIQQQQQ16sII", CANCEL, 0, number, 0, 0, 0, 0, b"", 0, 0))

    def start(
        self, demuxer: str, source: pathlib.Path | int, mp3: pathlib.Path, flags: int = 0, **limits: int
    ) -> Conversion:
        """Starts a conversion of a file, or of what comes through a pipe."""
        reading = source if isinstance(source, int) else os.open(source, os.O_RDONLY)
        flags_of_mp3 = os.O_RDWR if mp3.is_char_device() else os.O_RDWR | os.O_CREAT | os.O_TRUNC
        writing = os.open(mp3, flags_of_mp3, 0o600)
        report, theirs = os.pipe()
        number = self.send(demuxer, reading, writing, theirs, Limits(**limits), flags)
        for descriptor in (reading, writing, theirs):
            os.close(descriptor)
        return Conversion(self, number, report)

    def convert(self, demuxer: str, source: pathlib.Path | int, mp3: pathlib.Path, **options: int) -> Report:
        """A conversion that must succeed."""
        reply, report = self.start(demuxer, source, mp3, **options).result()
        assert (reply.status, report.error) == (0, None), (reply, report)
        assert report.end is not None and report.end[2] == mp3.stat().st_size
        return report

    def fail(self, demuxer: str, source: pathlib.Path | int, mp3: pathlib.Path, **options: int) -> tuple[str, str]:
        """The stage and text of the error with which a conversion must end."""
        reply, report = self.start(demuxer, source, mp3, **options).result()
        assert reply.status == 1, reply
        assert report.error is not None
        return report.error


def wait_until_dead(process: int):
    """Waits for the end of any process."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    readable, _, _ = select.select([descriptor], [], [], PATIENCE)
    os.close(descriptor)
    assert readable, f"process {process} is still alive"


def kill(process: int):
    os.kill(process, signal.SIGKILL)
