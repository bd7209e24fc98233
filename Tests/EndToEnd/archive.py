"""The content of a data directory, read without Tapedeck: with `sqlite3` and by hashing files."""

from __future__ import annotations

import hashlib
import pathlib
import sqlite3
from dataclasses import dataclass

from waiting import eventually


@dataclass
class DataDirectory:
    path: pathlib.Path

    def rows(self, sql: str, *values) -> list[dict]:
        connection = sqlite3.connect(f"file:{self.path}/catalog.sqlite?mode=ro", uri=True, timeout=10)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]
        finally:
            connection.close()

    def files(self, folder: str) -> set[str]:
        """The paths of all files below a folder, except hidden ones such as the id of the spool."""
        root = self.path / folder
        return {str(path.relative_to(root)) for path in root.rglob("*")
                if path.is_file() and not path.name.startswith(".")}

    def parts(self, id: str) -> list[dict]:
        """The rows with the files of each part of a recording; none while it is not in the archive."""
        return self.rows(
            "SELECT p.* FROM media_part p JOIN recording r ON r.id = p.recording_id WHERE r.platform_id = ? "
            "ORDER BY part", id)

    def part(self, id: str) -> dict | None:
        """The row with the files of a recording with one part; None while it is not in the archive."""
        rows = self.parts(id)
        assert len(rows) <= 1
        return rows[0] if rows else None

    def object(self, name: str) -> pathlib.Path:
        return self.path / "objects" / name

    def original(self, id: str) -> bytes:
        return self.object(self.part(id)["original_object"]).read_bytes()

    def job(self, id: str) -> dict | None:
        rows = self.rows(
            "SELECT job.*, (SELECT coalesce(sum(bytes), 0) FROM job_part WHERE job_id = job.id) AS bytes FROM job "
            "WHERE platform_id = ?", id)
        assert len(rows) <= 1, "one recording has one job"
        return rows[0] if rows else None

    def quarantined(self) -> set[str]:
        return self.files("quarantine")

    def assert_tidy(self) -> None:
        """No incomplete file, no file without a row, and every file is what its row says."""
        # Spool files are removed right after the commit that ends their job.
        eventually(self._assert_spool_is_tidy, within=60)
        parts = self.rows("SELECT * FROM media_part")
        expected = {}
        for part in parts:
            for kind in ("original", "mp3", "peaks"):
                if (name := part[f"{kind}_object"]) is not None:
                    hashed = "source" if kind == "original" else kind
                    expected[name] = (part[f"{hashed}_sha256"], part[f"{hashed}_bytes"])
        for whole in self.rows("SELECT * FROM joined_media"):
            for kind in ("mp3", "peaks"):
                expected[whole[f"{kind}_object"]] = (whole[f"{kind}_sha256"], whole[f"{kind}_bytes"])
        leaving = {row["name"] for row in self.rows("SELECT name FROM object_removal")}
        assert self.files("objects") - leaving == set(expected)
        for name, (sha256, size) in expected.items():
            content = self.object(name).read_bytes()
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (sha256, size), name
            kind = name.rsplit(".", 1)[1]
            assert self.rows("SELECT sha256, bytes FROM object WHERE name = ? AND kind = ?", name, kind) == [
                {"sha256": sha256, "bytes": size}], name
        archived = {row["id"] for row in self.rows("SELECT id FROM recording WHERE archived_at IS NOT NULL")}
        assert {part["recording_id"] for part in parts} == archived
        done = self.rows(
            "SELECT r.id FROM job j JOIN recording r ON r.source = j.source AND r.platform_id = j.platform_id "
            "WHERE j.run_state = 'done'")
        assert {row["id"] for row in done} <= archived

    def _assert_spool_is_tidy(self) -> bool:
        unfinished = {
            row["id"] for row in self.rows("SELECT id FROM job WHERE run_state IN ('idle', 'leased', 'waiting')")}
        left = {name for name in self.files("spool") if int(name.split("-")[0]) not in unfinished}
        assert not left, f"left in the spool: {left}"
        return True
