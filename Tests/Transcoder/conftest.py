"""Builds of the transcoder, and recordings for it."""

import os
import pathlib
import shutil
import subprocess

import pytest

from media import Studio
from transcoder import Transcoder

SOURCES = pathlib.Path(__file__).parents[2] / "Sources" / "Transcoder"
PROBE = pathlib.Path(__file__).with_name("probe.h")
# A missing tool fails the run; no test is skipped.
TOOLS = ["cc", "ffmpeg", "pkg-config", "sox"]


def pytest_sessionstart(session):
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        pytest.exit(f"not installed: {', '.join(missing)}. 'scripts/bootstrap --for test' installs them.", 1)


def build(binary: pathlib.Path, *flags: str) -> pathlib.Path:
    libraries = ["libavformat", "libavcodec", "libswresample", "libavutil"]
    found = subprocess.run(["pkg-config", "--cflags", "--libs", *libraries], check=True, capture_output=True, text=True)
    subprocess.run(
        ["cc", "-std=gnu17", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", *flags, "-o", binary,
         *SOURCES.glob("*.c"), *found.stdout.split(), "-lm"], check=True)
    return binary


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("transcoder")


@pytest.fixture(scope="session")
def binary(folder) -> pathlib.Path:
    """The program that SwiftPM has built; without TAPEDECK_TRANSCODER, one that is built here."""
    built = os.environ.get("TAPEDECK_TRANSCODER")
    return pathlib.Path(built) if built else build(folder / "tapedeck-transcoder")


@pytest.fixture(scope="session")
def probe_binary(folder) -> pathlib.Path:
    """A program that tries forbidden actions from inside of its sandbox."""
    return build(folder / "probe", f'-DTRANSCODER_PROBE="{PROBE}"')


@pytest.fixture(scope="session")
def studio(folder) -> Studio:
    return Studio(folder)


@pytest.fixture(scope="session")
def shared(binary):
    """One transcoder for all tests that do not end it."""
    with Transcoder(binary) as transcoder:
        yield transcoder


@pytest.fixture
def transcoder(binary):
    with Transcoder(binary) as transcoder:
        yield transcoder


@pytest.fixture
def mp3(tmp_path) -> pathlib.Path:
    return tmp_path / "out.mp3"
