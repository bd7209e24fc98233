"""A conversion that crashes, hangs or goes beyond its limits costs one attempt of one recording."""

import contextlib
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import threading

import pytest

from media import Studio, decoded, noise, pcm, reference
from transcoder import PATIENCE, Conversion, Limits, Transcoder, kill, wait_until_dead

#: Of a WAV stream without end.
ENDLESS = pcm([], data_length=0xFFFF_FFFF)


class Endless:
    """A recording that never ends; `content` is repeated."""

    def __init__(self, content: bytes):
        self.reading, self._writing = os.pipe()
        self._content = content
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self):
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writing, ENDLESS)
            while True:
                os.write(self._writing, self._content)

    def ended(self) -> bool:
        """Whether the reader has gone."""
        self._thread.join(PATIENCE)
        os.close(self._writing)
        return not self._thread.is_alive()


@pytest.fixture
def waiting(transcoder, mp3):
    """A conversion that waits for the rest of its recording."""
    reading, writing = os.pipe()
    conversion = transcoder.start("wav", reading, mp3)
    os.write(writing, pcm(noise(50_000), data_length=0xFFFF_FFFF))
    yield conversion
    os.close(writing)


def check_alive(transcoder, studio: Studio, mp3):
    recording = studio.wav("pcm_s16le", 1, 8000)
    transcoder.convert("wav", recording, mp3)
    assert decoded(mp3) == decoded(reference(recording, mp3.with_name("reference.mp3")))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_killed_conversion(transcoder, waiting, studio: Studio, mp3, number):
    os.kill(waiting.process, number)
    reply, report = waiting.result()
    assert reply.status == -number
    assert report.is_broken
    check_alive(transcoder, studio, mp3)


def test_cancelling(transcoder, waiting, studio: Studio, mp3):
    transcoder.cancel(waiting.number + 1)
    transcoder.cancel(waiting.number)
    transcoder.cancel(waiting.number)
    assert waiting.result()[0].status == -signal.SIGKILL
    transcoder.cancel(waiting.number)
    check_alive(transcoder, studio, mp3)


def test_a_stopped_conversion_is_cancelled(transcoder, waiting, studio: Studio, mp3):
    process = waiting.process
    os.kill(process, signal.SIGSTOP)
    check_alive_beside(transcoder, studio, mp3)
    transcoder.cancel(waiting.number)
    assert waiting.result()[0].status == -signal.SIGKILL


def check_alive_beside(transcoder, studio: Studio, mp3):
    transcoder.convert("wav", studio.wav("pcm_s16le", 1, 8000), mp3.with_name("beside.mp3"))


def test_a_killed_transcoder(transcoder, waiting):
    process = waiting.process
    kill(transcoder.process.pid)
    wait_until_dead(process)
    assert transcoder.process.wait(PATIENCE) == -signal.SIGKILL
    with pytest.raises(EOFError):
        waiting.result()


def test_a_stopped_conversion_ends_with_the_transcoder(transcoder, waiting):
    process = waiting.process
    os.kill(process, signal.SIGSTOP)
    kill(transcoder.process.pid)
    wait_until_dead(process)


def test_the_end_of_tapedeck(transcoder, waiting):
    """The socket closes also when Tapedeck is killed."""
    process = waiting.process
    transcoder.socket.close()
    assert transcoder.process.wait(PATIENCE) == 0
    wait_until_dead(process)


# MARK: Limits


def test_processor_time(transcoder, studio: Studio, mp3):
    endless = Endless(struct.pack("<8000h", *(round(9000 * sample) for sample in noise(8000))) * 20)
    reply, report = transcoder.start(
        "wav", endless.reading, mp3, cpu_seconds=1, audio_milliseconds=1 << 40).result()
    assert reply.status == -signal.SIGKILL
    assert 900_000 < reply.numbers[0] < 1_500_000
    assert report.is_broken
    assert endless.ended()
    check_alive(transcoder, studio, mp3)


def test_memory_stays_the_same_in_a_long_recording(transcoder, mp3):
    sizes = []
    for seconds in (100, 2000):
        endless = Endless(bytes(16_000))
        reply, report = transcoder.start("wav", endless.reading, mp3, audio_milliseconds=1000 * seconds).result()
        assert report.error is not None and report.error[0] == "length"
        assert len(report.peaks) >= 200 * seconds - 4000
        sizes.append(reply.numbers[1])
        assert endless.ended()
    assert sizes[1] < sizes[0] + (4 << 20)


def test_length_of_the_audio(shared, studio: Studio, mp3):
    recording = studio.wav("pcm_s16le", 1, 8000)
    shared.convert("wav", recording, mp3, audio_milliseconds=700)
    stage, text = shared.fail("wav", recording, mp3, audio_milliseconds=400)
    assert (stage, text) == ("length", "The audio is longer than 400 ms\n")


@pytest.mark.parametrize("limit", [0, 100, 2000])
def test_size_of_the_mp3(shared, studio: Studio, mp3, limit):
    stage, text = shared.fail("wav", studio.wav("pcm_s16le", 1, 8000), mp3, output_bytes=limit)
    assert (stage, text) == ("output", "The MP3 becomes too long: File too large\n")
    assert mp3.stat().st_size <= limit


def test_memory(shared, studio: Studio, mp3):
    """Too little ends with an error or a signal, and never with a part of the MP3 as if it were all."""
    recording = studio.wav("pcm_s16le", 2, 48000)
    status = pathlib.Path(f"/proc/{shared.process.pid}/status").read_text()
    [mapped] = [int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmSize:")]
    outcomes = []
    for missing in range(0, 20 << 20, 1 << 18):
        reply, report = shared.start("wav", recording, mp3, memory_bytes=mapped + (10 << 20) - missing).result()
        assert (reply.status == 0) == (report.end is not None)
        outcomes.append(report.error[0] if report.error else reply.status)
    assert outcomes[0] == 0
    assert outcomes[-1] == "memory"


# MARK: Output and report


def test_full_disk(shared, studio: Studio):
    stage, text = shared.fail("wav", studio.wav("pcm_s16le", 1, 8000), pathlib.Path("/dev/full"))
    assert stage == "output"
    assert "No space left on device" in text


def test_input_that_cannot_be_read(transcoder, mp3):
    """A folder takes the place of a file that the disk cannot read."""
    assert transcoder.fail("wav", mp3.parent, mp3)[0] == "input"


def test_output_that_cannot_be_written(transcoder, studio: Studio, mp3):
    reading = os.open(studio.master, os.O_RDONLY)
    report, theirs = os.pipe()
    number = transcoder.send("wav", reading, reading, theirs, Limits())
    os.close(theirs)
    reply, result = Conversion(transcoder, number, report).result()
    assert reply.status == 1
    assert result.error is not None and result.error[0] == "output"
    os.close(reading)


def test_a_report_that_is_not_read(transcoder, studio: Studio, mp3):
    """It waits; other conversions do not, and it can be cancelled."""
    report, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(theirs, bytes(4096)):
            pass
    os.set_blocking(theirs, True)
    source, output = os.open(studio.master, os.O_RDONLY), os.open(mp3, os.O_RDWR | os.O_CREAT)
    number = transcoder.send("wav", source, output, theirs, Limits())
    check_alive(transcoder, studio, mp3.with_name("other.mp3"))
    transcoder.cancel(number)
    assert transcoder.ended(number).status == -signal.SIGKILL
    for descriptor in (report, theirs, source, output):
        os.close(descriptor)


def test_a_report_that_is_closed(transcoder, studio: Studio, mp3):
    report, theirs = os.pipe()
    os.close(report)
    endless = Endless(bytes(16_000))
    output = os.open(mp3, os.O_RDWR | os.O_CREAT)
    number = transcoder.send("wav", endless.reading, output, theirs, Limits(cpu_seconds=5))
    for descriptor in (endless.reading, theirs, output):
        os.close(descriptor)
    assert transcoder.ended(number).status == -signal.SIGPIPE
    assert endless.ended()
    check_alive(transcoder, studio, mp3)


# MARK: Requests


def test_many_at_once(transcoder, studio: Studio, tmp_path):
    recordings = [studio.wav("pcm_s16le", channels, rate) for channels in (1, 2) for rate in (8000, 16000)]
    alone = {}
    for recording in recordings:
        transcoder.convert("wav", recording, tmp_path / "alone.mp3")
        alone[recording] = (tmp_path / "alone.mp3").read_bytes()
    running = []
    for number in range(40):
        recording = recordings[number % len(recordings)]
        mp3 = tmp_path / f"{number}.mp3"
        running.append((transcoder.start("wav", recording, mp3), recording, mp3))
    for conversion, recording, mp3 in running:
        assert conversion.result()[0].status == 0
        assert mp3.read_bytes() == alone[recording]
    assert transcoder.children() == []


def test_descriptors_do_not_accumulate(binary, studio: Studio, mp3):
    with Transcoder(binary, "--dumpable") as transcoder:
        folder = f"/proc/{transcoder.process.pid}/fd"
        before = len(os.listdir(folder))
        for _ in range(20):
            transcoder.convert("wav", studio.wav("pcm_s16le", 1, 8000), mp3)
        assert len(os.listdir(folder)) == before


def test_too_few_descriptors(binary, studio: Studio, mp3):
    """The request arrives without its descriptors, which no child can replace."""
    with Transcoder(binary) as transcoder:
        transcoder.convert("wav", studio.wav("pcm_s16le", 1, 8000), mp3)
        resource.prlimit(transcoder.process.pid, resource.RLIMIT_NOFILE, (5, 5))
        conversion = transcoder.start("wav", studio.master, mp3)
        with pytest.raises((EOFError, ConnectionResetError)):
            conversion.result()
        assert transcoder.process.wait(PATIENCE) == 1


@pytest.mark.parametrize("limit", [10_240, 65_536, 100_000])
def test_a_lower_limit_of_the_size_of_files_is_no_full_disk(binary, studio: Studio, mp3, limit):
    """The system writes what still fits, and then ends the conversion with a signal."""
    recording = studio.write("long.wav", pcm(noise(600_000)))
    with Transcoder(binary) as transcoder:
        resource.prlimit(transcoder.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        reply, report = transcoder.start("wav", recording, mp3).result()
        assert reply.status == -signal.SIGXFSZ
        assert report.is_broken
        assert mp3.stat().st_size <= limit


@pytest.mark.parametrize(
    "packet", [b"x", b"", struct.pack("=I", 1), bytes(72), struct.pack("=I", 1) + bytes(68), bytes(5000)])
def test_a_malformed_request_ends_it(transcoder, packet):
    """An error of Tapedeck, and never of a recording."""
    transcoder.socket.send(packet)
    assert transcoder.process.wait(PATIENCE) == (0 if packet == b"" else 1)


def test_it_needs_a_socket_of_tapedeck(binary):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for stdin in (subprocess.DEVNULL, theirs):
        done = subprocess.run([binary], stdin=stdin, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1
        assert "started by Tapedeck" in done.stderr
    ours.close()
    theirs.close()
