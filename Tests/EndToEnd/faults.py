"""Faults of the machine: system calls and SQLite calls of the program that fail on request."""

from __future__ import annotations

import errno
import pathlib
import shutil
import subprocess
import urllib.parse
from dataclasses import dataclass

SOURCE = pathlib.Path(__file__).resolve().parent / "faulty_calls.c"

#: https://sqlite.org/rescode.html
SQLITE = {"SQLITE_BUSY": 5, "SQLITE_IOERR": 10, "SQLITE_FULL": 13}


def compiler() -> str | None:
    """A C compiler: the system's, or the one that comes with Swift."""
    return shutil.which("cc") or shutil.which("clang")


def build(folder: pathlib.Path) -> pathlib.Path:
    """Compiles the library to preload into the program."""
    library = folder / "faulty_calls.so"
    subprocess.run(
        [compiler(), "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE],
        check=True)
    return library


@dataclass
class FaultyCalls:
    """Which calls fail in a process with these settings; see `faulty_calls.c`. Without a kind, none fails."""

    library: pathlib.Path
    data: pathlib.Path
    trace: pathlib.Path
    kind: str | None = None
    error: str = "EIO"
    files: str | None = None
    at: int | None = None
    #: Calls fail for as long as this file exists.
    flag: pathlib.Path | None = None
    #: The address whose connections "receive" means.
    platform: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        found = {
            "LD_PRELOAD": self.library, "FAULTY_FOLDER": self.data, "FAULTY_TRACE": self.trace,
            "FAULTY_KIND": self.kind, "FAULTY_FILES": self.files, "FAULTY_AT": self.at, "FAULTY_WHILE": self.flag,
            "FAULTY_ERROR": SQLITE.get(self.error) or getattr(errno, self.error),
            "FAULTY_PORT": self.platform and urllib.parse.urlsplit(self.platform).port}
        return {name: str(value) for name, value in found.items() if value is not None}

    def calls(self, kind: str | None = None) -> list[str]:
        """The counted calls in order: the kind, the path below the data directory, and "failed" if the call failed."""
        lines = self.trace.read_text(errors="replace").splitlines() if self.trace.exists() else []
        return [line for line in lines if kind is None or line.split(" ", 1)[0] == kind]

    @property
    def failed(self) -> list[str]:
        return [line for line in self.calls() if line.endswith(" failed")]
