"""`tapedeck verify` and the reconciliation at a start: damage is found, named and repaired."""

import json
import os
import re
import shutil

import pytest

from waiting import eventually

IDS = ["codec-pcm-mono", "codec-pcm-stereo", "codec-gsm", "codec-alaw-mono", "codec-ulaw-mono", "codec-adpcm"]


@pytest.fixture(params=["running", "stopped"])
def archive(request, make_server):
    """An archive of a few recordings, with and without a running server."""
    server = make_server()
    assert server.command("ingest", *IDS).returncode == 0
    if request.param == "stopped":
        assert server.terminate() == 0
    else:
        # The verification of the start would find some of the damage that a test plants.
        eventually(lambda: server.data.rows(
            "SELECT * FROM recurring_task WHERE name = 'verification' AND last_success_at > 0 AND lease_until IS NULL"))
    return server


def overwrite(path, content: bytes) -> None:
    os.chmod(path, 0o600)
    path.write_bytes(content)


def plant(server) -> dict[str, str]:
    """Damages one file of each of five recordings in different ways; returns the files by recording."""
    data = server.data
    flipped = data.object(data.part(IDS[0])["mp3_object"])
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    overwrite(flipped, bytes(content))
    cut = data.object(data.part(IDS[1])["original_object"])
    overwrite(cut, cut.read_bytes()[:-100])
    data.object(data.part(IDS[2])["peaks_object"]).unlink()
    # A file with its folder; the folder of a random name rarely holds another object.
    lost = data.object(data.part(IDS[3])["mp3_object"])
    lost.unlink()
    if not any(lost.parent.iterdir()):
        lost.parent.rmdir()
    # The content of another file.
    overwrite(data.object(data.part(IDS[4])["peaks_object"]), flipped.read_bytes())
    # Files without a row.
    for name in (f"{'0' * 32}.mp3", f"{'ab' * 16}.wav"):
        folder = data.path / "objects" / name[:2]
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"an orphan")
    return {IDS[0]: "mp3", IDS[1]: "original", IDS[2]: "peaks", IDS[3]: "mp3", IDS[4]: "peaks"}


def assert_whole(server) -> None:
    server.data.assert_tidy()
    assert server.data.rows("SELECT * FROM recording WHERE damage IS NOT NULL") == []


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_damage_is_found_named_and_repaired(archive, sandbox):
    before = {id: archive.data.part(id) for id in IDS}
    planted = plant(archive)
    done = archive.command("verify", "--all", "--json")
    assert done.returncode == 0, done
    *lines, summary = json_lines(done.stdout)
    repaired = {line["id"]: line for line in lines if line["status"] == "repaired"}
    for id, file in planted.items():
        assert file in [found["file"] for found in repaired[id]["files"]], id
        assert repaired[id]["repairedFrom"] == (
            "platform" if "original" in [found["file"] for found in repaired[id]["files"]] else "original")
    assert sorted(line["object"] for line in lines if line["status"] == "stray") == [
        f"00/{'0' * 32}.mp3", f"ab/{'ab' * 16}.wav"]
    assert (summary["status"], summary["recordings"], summary["damaged"], summary["strays"]) == (
        "summary", len(IDS), 0, 2)
    assert summary["repaired"] == len(repaired) and summary["megabytesPerSecond"] > 0
    assert {id: archive.data.part(id) for id in IDS} == before, "the same files as before"
    assert_whole(archive)
    # Nothing was deleted: damaged files and orphans are in quarantine, each with its reason.
    kept = archive.data.quarantined()
    assert sum(name.endswith(".json") for name in kept) == len(kept) / 2 >= 5

    sandbox.forget_requests()
    again = archive.command("verify", "--all")
    assert (again.returncode, again.stdout) == (0, "")
    assert "everything is intact" in again.stderr
    assert sandbox.statistics()["endpoints"] == {}
    found = archive.audit("--what", "verify")
    assert {entry["recordingId"] for entry in found} >= set(planted)
    assert all(entry["outcome"] == "failed" for entry in found)


def test_a_restart_finds_missing_and_truncated_files_and_orphans(archive):
    plant(archive)
    if archive.process and archive.process.popen.poll() is None:
        archive.kill()
    archive.start()

    def names_agree():
        parts = archive.data.rows("SELECT original_object, mp3_object, peaks_object FROM media_part")
        rows = {key for part in parts for key in part.values() if key}
        assert archive.data.files("objects") == rows
        assert archive.data.rows("SELECT * FROM recording WHERE damage IS NOT NULL") == []
        return True

    def eventually_agree():
        try:
            return names_agree()
        except (AssertionError, FileNotFoundError):
            return False

    eventually(eventually_agree)
    # Reconciliation compares names and lengths; flipped bits are found by the scrub or a command.
    done = archive.command("verify", IDS[0], IDS[4], "--json")
    assert done.returncode == 0, done
    assert IDS[0] in [line.get("id") for line in json_lines(done.stdout)]
    assert archive.command("verify", "--all").stdout == ""
    assert_whole(archive)


def test_damage_that_cannot_be_repaired_is_shown_everywhere(make_server, sandbox):
    server = make_server()
    assert server.command("ingest", *IDS[:2]).returncode == 0
    original = server.data.object(server.data.part(IDS[0])["original_object"])
    overwrite(original, b"\0" * original.stat().st_size)
    sandbox.fault("gone", IDS[0])
    done = server.command("verify", IDS[0])
    assert done.returncode == 7, done
    assert "The content of the original differs from the archived one" in done.stdout and "could not be repaired" in done.stdout
    assert server.command("verify", "--all", "--no-repair").returncode == 7

    shown = server.supervisor.get(f"/api/v1/recordings/{IDS[0]}").json()
    assert re.fullmatch(
        r"The original is damaged \(found on \d{4}-\d\d-\d\d at \d\d:\d\d UTC\)\. "
        r"The recording could not be repaired: the platform no longer has the recording\.", shown["damage"])
    assert shown["status"] == "damaged" and shown["verifiedAt"]
    for status, ids in (("damaged", [IDS[0]]), ("ready", [IDS[1]])):
        listed = json.loads(server.ok("list", "--status", status, "--json"))["recordings"]
        assert [(row["id"], row["status"]) for row in listed] == [(id, status) for id in ids]
    refused = server.supervisor.get(f"/audio/{IDS[0]}/original")
    assert (refused.status, refused.code, refused.json()["detail"]) == (503, "object_damaged", shown["damage"])
    page = server.supervisor.request("GET", f"/play/{IDS[0]}", {"Accept": "text/html"}).text
    assert "original?download" not in page and f"{IDS[0]}.mp3?download" in page and "Original kept" not in page
    assert shown["damage"] in server.ok("show", IDS[0])
    assert "the platform no longer has the recording" in server.supervisor.get(f"/play/{IDS[0]}").text
    assert 'danger">Damaged<' in server.supervisor.get("/").text
    assert server.supervisor.get(f"/audio/{IDS[0]}.mp3").status == 200, "undamaged files are played"
    metrics = server.client("metrics").get("/metrics").text
    assert re.search(r"^tapedeck_damaged_recordings 1(\.0)?$", metrics, re.M)
    assert 'tapedeck_verified_objects_total{outcome="damaged"}' in metrics
    log = server.process.output
    assert '"level":"error"' in log.replace(" ", "") and "damaged or missing" in log

    # The platform has the recording again.
    sandbox.clear_faults()
    assert server.command("verify", "--all").returncode == 0
    assert "damage" not in server.supervisor.get(f"/api/v1/recordings/{IDS[0]}").json()
    assert_whole(server)


def test_a_repair_that_has_not_ended_is_not_called_intact(make_server, sandbox):
    server = make_server()
    assert server.command("ingest", *IDS[:2]).returncode == 0
    part = server.data.part(IDS[0])
    for name in (part["original_object"], part["mp3_object"]):
        overwrite(server.data.object(name), b"")
    sandbox.fault("gone", IDS[0])
    done = server.command("verify", "--all", "--no-wait")
    assert done.returncode == 3, done
    assert "everything is intact" not in done.stderr and "1 intact, 1 being repaired." in done.stderr


def test_a_missing_object_folder_changes_nothing(make_server):
    server = make_server()
    assert server.command("ingest", *IDS[:2]).returncode == 0
    objects, away = server.data.path / "objects", server.data.path / "away"
    objects.rename(away)
    objects.mkdir()
    done = server.command("verify", "--all")
    assert done.returncode == 1, done
    assert "mounted" in done.stderr and "Nothing was changed" in done.stderr
    for options in (["--all"], ["--all", "--no-wait"], ["--all", "--no-repair"]):
        done = server.command("verify", *options, "--json")
        assert done.returncode == 1, done
        *_, summary = (json.loads(line) for line in done.stdout.splitlines())
        assert (summary["status"], summary["complete"]) == ("summary", False)
    server.kill()
    server.start()
    eventually(lambda: "the archive cannot be verified" in server.process.output)
    objects.rmdir()
    away.rename(objects)
    assert server.command("verify", "--all").returncode == 0
    assert server.data.quarantined() == set()
    assert {row["run_state"] for row in server.data.rows("SELECT run_state FROM job")} == {"done"}
    assert_whole(server)


def test_samples_and_shards_can_be_repeated(make_server):
    server = make_server()
    assert server.command("ingest", *IDS).returncode == 0

    def recordings(*arguments: str) -> int:
        return json_lines(server.ok("verify", *arguments, "--json"))[-1]["recordings"]

    assert sum(recordings("--shard", f"{number}/4") for number in range(1, 5)) == len(IDS)
    assert recordings("--sample", "100%") == len(IDS)
    assert recordings("--sample", "50", "--seed", "7") == recordings("--sample", "50%", "--seed", "7")
    assert {recordings("--sample", "50%", "--seed", str(seed)) for seed in range(8)} - {len(IDS)}
    assert "--seed" in server.command("verify", "--sample", "5%").stderr
    assert recordings("--all", "--source", "default") == len(IDS)
    assert recordings("--all", "--source", "elsewhere") == 0
    assert server.command("verify", "never-heard-of").returncode == 6
