"""libFuzzer on the parsers of recordings and reports, for ten minutes each: `make soak SUITE=parsers`."""

import os
import pathlib
import struct
import subprocess

import pytest

from media import Studio

SECONDS = int(os.environ.get("TAPEDECK_FUZZ_SECONDS", "600"))


def seeds(studio: Studio, parser: str) -> list[bytes]:
    """Inputs from which the others are made."""
    short = ["-ac", "1", "-ar", "8000"]
    files = {
        "wav": [studio.make(f"{codec}.wav", *short, "-c:a", codec, seconds=0.1) for codec in ("pcm_s16le", "gsm_ms")],
        "parts": [studio.make(name, *short, seconds=0.1) for name in ("a.w64", "a.m4a", "a.flac")],
        "frames": [studio.make("a.ogg", "-c:a", "libopus", seconds=0.1), studio.make("a.mp3", *short), studio.amr()],
        "report": [],
    }[parser]

    def frame(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content

    report = (
        frame(b"F", b"mp3_channels\0001") + frame(b"F", b"codec\0pcm") + frame(b"W", b"a warning") + frame(b"P", bytes(4))
        + frame(b"Z", struct.pack("<4q", 100, 100, 1000, 0)))
    error = frame(b"E", struct.pack("<ii", 3, 0) + b"text")
    return [file.read_bytes() for file in files] or [report, error]


@pytest.mark.parametrize("parser", ["wav", "parts", "frames", "report"])
def test_no_input_makes_a_parser_crash_or_hang(tmp_path: pathlib.Path, parser: str):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (tmp_path / "media").mkdir()
    for number, seed in enumerate(seeds(Studio(tmp_path / "media"), parser)):
        (corpus / str(number)).write_bytes(seed)
    done = subprocess.run(
        [os.environ["TAPEDECK_FUZZER"], f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=1024",
         "-max_len=20000", "-print_final_stats=1", f"-artifact_prefix={tmp_path}/", corpus],
        env=os.environ | {"FUZZ_PARSER": parser}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    # Its own statistics: it has run, and has found more than the seeds cover.
    statistics = dict(line.removeprefix("stat::").split(":") for line in done.stderr.splitlines() if "stat::" in line)
    assert int(statistics["number_of_executed_units"]) > 10 * SECONDS
    assert int(statistics["new_units_added"]) > 10
