"""Continuous sync, backfill and coverage: gaps are found, named and filled, and an auditor can check the statement."""

import base64
import datetime
import hashlib
import json
import sqlite3
import subprocess

import pytest

from programs import Sandbox, Server
from waiting import eventually


@pytest.fixture
def sandbox(folder):
    """A tenant with few calls."""
    sandbox = Sandbox(folder, "--calls", "4")
    yield sandbox
    sandbox.kill()


@pytest.fixture
def server(make_server):
    """A server for which a day can be checked as soon as it is over: the tenant's calls are of the day before its start."""
    return make_server(CXONE_SYNC_OVERLAP_MINUTES="0")


@pytest.fixture
def day(sandbox) -> datetime.date:
    """The day of the tenant's calls."""
    [first] = sandbox.search("pageSize=1")["recordings"]
    return datetime.date.fromisoformat(first["startTime"][:10])


def options(day: datetime.date) -> list[str]:
    return ["--from", day.isoformat(), "--to", (day + datetime.timedelta(days=1)).isoformat()]


def outbound(sandbox) -> dict[str, dict]:
    listed = sandbox.search("pageSize=500")["recordings"]
    return {row["id"]: row for row in listed if row["direction"] == "outbound"}


def coverage(server: Server, day: datetime.date, *arguments: str, code: int = 0) -> dict:
    done = server.command("coverage", *options(day), "--json", *arguments)
    assert done.returncode == code, done
    return json.loads(done.stdout)


def balanced(figures: dict) -> bool:
    return figures["expected"] == sum(figures[name] for name in ("ready", "waiting", "failed", "refused", "missing"))


def test_gaps_are_found_named_and_filled(server, sandbox, day):
    wanted = outbound(sandbox)
    everything = sandbox.search("pageSize=500")["recordings"]
    found = coverage(server, day, code=3)
    assert found["total"]["reported"] == len(everything)
    assert found["total"]["expected"] == len(wanted) and found["total"]["ready"] == 0
    assert {gap["id"] for gap in found["gaps"]} == set(wanted)
    assert server.data.rows("SELECT * FROM job") == [], "a check downloads nothing"

    # All but the recording that failed on the platform.
    filled = coverage(server, day, "--fill", code=3)
    assert balanced(filled["total"])
    assert [(gap["id"], gap["standing"], gap["code"], gap["fillable"]) for gap in filled["gaps"]] == [
        ("failed-01", "failed", "recording_failed_on_platform", False)]
    assert filled["total"]["ready"] == len(wanted) - 1

    # One recording loses all its rows, another one the rows of its files.
    server.terminate()
    catalog = sqlite3.connect(server.data.path / "catalog.sqlite")
    for name, tables in (("codec-gsm", ["media_part", "recording"]), ("restricted-01", ["media_part"])):
        [[row]] = catalog.execute("SELECT id FROM recording WHERE platform_id = ?", [name]).fetchall()
        catalog.execute("DELETE FROM media_part WHERE recording_id = ?", [row])
        if "recording" in tables:
            catalog.execute("DELETE FROM recording WHERE id = ?", [row])
    catalog.commit()
    catalog.close()
    server.start()
    found = coverage(server, day, code=3)
    gaps = {gap["id"]: gap for gap in found["gaps"]}
    assert set(gaps) == {"failed-01", "codec-gsm", "restricted-01"}
    assert all(gaps[name]["standing"] == "missing" and gaps[name]["reason"] for name in ("codec-gsm", "restricted-01"))
    assert balanced(found["total"]) and found["total"]["missing"] == 2
    words = server.command("coverage", *options(day), "--offline")
    assert words.returncode == 3 and "codec-gsm" in words.stdout and "3 expected recordings" in words.stderr
    filled = coverage(server, day, "--fill", code=3)
    assert [gap["id"] for gap in filled["gaps"]] == ["failed-01"]
    assert server.data.original("codec-gsm") == sandbox.file("codec-gsm")


def test_a_statement_can_be_verified_with_openssl(server, sandbox, folder, day):
    file = folder / "statement.txt"
    assert server.command("coverage", *options(day), "--statement", str(file)).returncode == 3
    key = server.ok("statement", "key").strip()
    text = file.read_text()
    lines = server.ok("statement", "verify", str(file), "--key", key).splitlines()
    assert lines[0].startswith("Signed by") and f"Period: {day} to {day} (UTC)" in lines
    assert lines[-1].startswith("State: INCOMPLETE: ") and "expected recordings not in the archive" in lines[-1]
    assert f"\nplatform {sandbox.base}\n" in text and f"Source: default ({sandbox.base})" in lines
    [entry] = [entry for entry in server.audit("--what", "coverage") if entry["details"].get("statement") == "signed"]
    assert entry["details"]["statement_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert entry["details"]["filter"] == "outbound calls"
    assert text.startswith("tapedeck coverage statement v1 INCOMPLETE\n") and f"first day {day}" in text
    assert (server.data.path / "keys" / "statement-key").stat().st_mode & 0o777 == 0o600

    # As in docs/operations.md.
    note, _, signatures = text.rpartition("\n\n")
    (folder / "text").write_text(note + "\n")
    (folder / "signature").write_bytes(base64.b64decode(signatures.split()[2])[4:])
    raw = base64.b64decode(key.split("+", 2)[2])[1:]
    (folder / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + raw)

    def openssl():
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", folder / "key.der",
             "-in", folder / "text", "-sigfile", folder / "signature"], capture_output=True, text=True)

    assert openssl().returncode == 0, openssl()
    file.write_text(text.replace("missing=", "missing=1", 1))
    (folder / "text").write_text((note + "\n").replace("missing=", "missing=1", 1))
    assert openssl().returncode != 0
    assert server.command("statement", "verify", str(file), "--key", key).returncode == 7


def test_an_accepted_recording_is_named(server, sandbox, folder, day):
    sandbox.fault("cut-short", "codec-gsm")
    assert server.supervisor.ingest("codec-gsm").code == "not_a_whole_recording"
    [file] = json.loads(server.ok("quarantine", "list", "--json"))["files"]
    server.ok("quarantine", "accept", str(file["id"]), "--reason", "Checked by ear.")
    assert server.supervisor.ingest("codec-gsm").status == 200
    total = coverage(server, day, code=3)["total"]
    assert (total["ready"], total["accepted"]) == (1, 1)
    path = folder / "statement.txt"
    done = server.command("coverage", *options(day), "--offline", "--statement", str(path))
    assert "1 ready recording was refused and then accepted by a user." in done.stdout
    [note] = [line for line in path.read_text().splitlines() if line.startswith("note ")]
    assert note.startswith(f"note {day} ") and " codec-gsm accepted The file was refused at " in note
    assert note.endswith(": Checked by ear.") and "accepted by operator:" in note
    page = server.supervisor.request("GET", "/play/codec-gsm", {"Accept": "text/html"}).text
    assert "Accepted despite failure" in page and "checked for integrity" not in page


def test_new_calls_are_archived_by_the_sync(make_server, sandbox):
    server = make_server(TAPEDECK_SYNC="on", CXONE_SYNC_INTERVAL_SECONDS="1")
    wanted = {id for id, row in outbound(sandbox).items() if row["status"] != "failed"}
    rows = "SELECT platform_id FROM recording WHERE archived_at IS NOT NULL"
    eventually(lambda: {row["platform_id"] for row in server.data.rows(rows)} >= wanted, every=0.5)
    assert "codec-gsm" in wanted
    # The end of the sync is recorded after its jobs were queued, which may be done before.
    [sync] = eventually(lambda: server.data.rows(
        "SELECT * FROM recurring_task WHERE name = 'sync' AND last_success_at > 0"))
    assert not sync["last_error"]
    again = json.loads(server.ok("sync", "--json"))
    assert again["queued"] == 0
    assert len(sandbox.downloads("codec-gsm")) == 1


def test_a_backfill_runs_to_its_end(server, sandbox, day):
    id = server.ok("backfill", "start", *options(day)).strip()

    def row():
        [row] = [row for row in json.loads(server.ok("backfill", "list", "--json"))["backfills"] if row["id"] == id]
        return row

    eventually(lambda: row()["state"] == "done", every=0.5)
    assert row()["found"] == len(outbound(sandbox)) and row()["open"] == 0
    assert server.command("backfill", "pause", id).returncode == 2
    assert [entry["details"]["do"] for entry in server.audit("--what", "backfill")] == ["start"]


def test_the_coverage_of_a_source_that_was_removed_says_so(make_server, sandbox, day):
    west = {f"SOURCE_WEST_{name.removeprefix('CXONE_')}": value for name, value in sandbox.settings.items()}
    server = make_server(TAPEDECK_SOURCES="west", **west)
    assert server.command("coverage", *options(day), "--source", "west").returncode == 3
    assert server.terminate() == 0
    del server.settings["TAPEDECK_SOURCES"]
    server.start()
    for arguments in (["--source", "west"], ["--source", "west", "--offline"]):
        removed = server.command("coverage", *options(day), *arguments)
        assert removed.returncode == 6 and "is no longer in the settings" in removed.stderr, removed
    unknown = server.command("coverage", *options(day), "--source", "east", "--offline")
    assert unknown.returncode == 6 and "No source named 'east' is configured." in unknown.stderr, unknown


def test_coverage_is_for_supervisors_and_administrators(server):
    assert server.agent.get("/api/v1/coverage").status == 403
    assert server.supervisor.get("/api/v1/coverage").json()["timeZone"] == "UTC"
    assert server.client("admin").get("/api/v1/backfills").json() == {"backfills": []}
    page = server.supervisor.request("GET", "/coverage", {"Accept": "text/html"})
    assert page.status == 200 and "<svg" in page.text and "style=" not in page.text
