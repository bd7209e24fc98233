"""What a conversion cannot do, and what it has."""

import os
import pathlib
import signal

import pytest

from media import Studio, noise, pcm
from transcoder import WITHOUT_SECCOMP, Transcoder

#: Calls that are not in the table of allowed ones.
KILLED = [
    "open", "create", "folder", "make-folder", "remove", "tcp", "unix", "exec", "exec-input", "fork", "vfork", "thread", "duplicate",
    "read-output", "read-report", "signal", "signal-all", "trace", "memory", "code", "make-code", "memory-file", "ring",
    "limits", "dumpable", "sleep", "architecture",
]  # fmt: skip


@pytest.fixture(scope="module")
def probe(probe_binary):
    with Transcoder(probe_binary) as transcoder:
        yield transcoder


@pytest.fixture
def other_recording(tmp_path, studio: Studio) -> pathlib.Path:
    """The path of another recording; the file with this path is the probe's input."""
    secret = tmp_path / "other.wav"
    secret.write_bytes(pcm(noise(100)))
    path = tmp_path / "path"
    path.write_text(str(secret))
    path.chmod(0o700)
    return path


def test_all_protections_are_active(shared):
    """On the machines that run these tests; elsewhere the transcoder reports what is missing."""
    landlock, seccomp = shared.ready.numbers
    assert landlock >= 1
    assert seccomp == 1
    assert shared.ready.text


@pytest.mark.parametrize("action", KILLED)
def test_a_forbidden_call_kills(probe, other_recording, mp3, action):
    reply, report = probe.start(action, other_recording, mp3).result()
    # A kernel without calls of the other architecture ends the process, too.
    others = {-signal.SIGSEGV} if action == "architecture" else set()
    assert reply.status in {-signal.SIGSYS, *others}
    assert report.is_broken
    assert (other_recording.parent / "other.wav").exists()
    assert not pathlib.Path("/tmp/created-by-the-probe").exists()
    assert mp3.read_bytes() == b""


def test_the_probe_can_succeed(probe, other_recording, mp3):
    """An action that nothing forbids: the other tests could fail."""
    assert probe.fail("nothing", other_recording, mp3)[1].startswith("allowed")


def test_no_other_descriptor_exists(probe, other_recording, mp3):
    assert probe.fail("descriptors", other_recording, mp3)[1].startswith("refused: Bad file descriptor")


@pytest.mark.parametrize(
    ("action", "reason"),
    # Landlock, the limit of descriptors, and Landlock again.
    [("remove", "Permission denied"), ("make-folder", "Permission denied"), ("exec", "Permission denied"),
     ("open", "Too many open files"), ("create", "Too many open files"), ("unix", "Too many open files"),
     ("tcp", "Too many open files"), ("duplicate", "Too many open files"), ("memory-file", "Too many open files"),
     ("trace", "Operation not permitted"), ("memory", "Operation not permitted")])
def test_without_seccomp_the_other_protections_remain(probe, other_recording, mp3, action, reason):
    text = probe.fail(action, other_recording, mp3, flags=WITHOUT_SECCOMP)[1]
    assert text.startswith(f"refused: {reason}")
    assert (other_recording.parent / "other.wav").exists()


def test_without_seccomp_signals_are_refused(probe, other_recording, mp3):
    """By Landlock from version 6 on; older versions leave this to seccomp."""
    landlock, _ = probe.ready.numbers
    text = probe.fail("no-signal", other_recording, mp3, flags=WITHOUT_SECCOMP)[1]
    assert text.startswith("refused: Operation not permitted" if landlock >= 6 else "allowed")


@pytest.fixture
def visible(binary):
    """One whose memory and descriptors the tests may see without being root."""
    with Transcoder(binary, "--dumpable", environment={"TAPEDECK_SECRET": "canary-8731", "LANG": "C"}) as transcoder:
        yield transcoder


def test_state_of_a_conversion(visible, mp3):
    reading, writing = os.pipe()
    conversion = visible.start("wav", reading, mp3, cpu_seconds=7, memory_bytes=1 << 30, output_bytes=1 << 20)
    # It reads the header when its sandbox is in place.
    os.write(writing, pcm(noise(200_000))[:300_000])
    assert conversion.began.wait(30)
    folder = pathlib.Path(f"/proc/{conversion.process}")
    status = dict(line.split(":\t") for line in (folder / "status").read_text().splitlines() if ":\t" in line)
    assert (status["Threads"], status["NoNewPrivs"], status["Seccomp"]) == ("1", "1", "2")
    limits = {line[:26].strip(): line[26:].split()[:2] for line in (folder / "limits").read_text().splitlines()[1:]}
    assert limits["Max cpu time"] == ["7", "7"]
    assert limits["Max address space"] == [str(1 << 30)] * 2
    assert limits["Max file size"] == [str(1 << 20)] * 2
    assert limits["Max open files"] == ["4", "4"]
    assert limits["Max processes"] == limits["Max core file size"] == ["0", "0"]
    assert sorted(os.listdir(folder / "fd")) == ["0", "1", "2", "3"]
    assert os.readlink(folder / "fd" / "2") == "/dev/null"
    os.close(writing)
    assert conversion.result()[0].status == 0


def test_secrets_of_the_environment_are_gone(visible, mp3):
    """Also from the memory in which the system has put them."""
    assert b"canary" not in pathlib.Path(f"/proc/{visible.process.pid}/environ").read_bytes()
    reading, writing = os.pipe()
    conversion = visible.start("wav", reading, mp3)
    os.write(writing, pcm(noise(200_000))[:300_000])
    assert conversion.began.wait(30)
    process = pathlib.Path(f"/proc/{conversion.process}")
    read = 0
    with (process / "mem").open("rb", buffering=0) as memory:
        for line in (process / "maps").read_text().splitlines():
            if line.endswith(("[stack]", "[heap]")):
                start, end = (int(number, 16) for number in line.split()[0].split("-"))
                memory.seek(start)
                content = memory.read(end - start)
                assert b"canary" not in content
                read += len(content)
    assert read > 100_000
    os.close(writing)
    assert conversion.result()[0].status == 0


@pytest.mark.parametrize(("arguments", "expected"), [((), "refused"), (("--dumpable",), "allowed")])
def test_dumpable_only_on_request(probe_binary, other_recording, mp3, arguments, expected):
    with Transcoder(probe_binary, *arguments) as transcoder:
        text = transcoder.fail("is-dumpable", other_recording, mp3, flags=WITHOUT_SECCOMP)[1]
    assert text.startswith(expected)
