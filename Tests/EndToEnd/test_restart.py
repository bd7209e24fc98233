"""A server that dies in the middle of its work, or is told to end, and is started again over its data directory."""

import concurrent.futures
import http.client
import os
import pathlib
import signal

import pytest

from programs import process_name
from waiting import eventually

ID = "bench-3min-01"
#: 50 MB, so that a conversion takes long enough to be met.
LONG = "bench-50mb"


def stop_conversion(server, id) -> int:
    """Starts a job and halts its FFmpeg as soon as there is one; all bytes are in the spool when this returns."""
    job = server.supervisor.start(id)
    child = eventually(server.process.conversions, every=0.005)[0]
    os.kill(child, signal.SIGSTOP)
    server.supervisor.job_until(job, lambda job: job["bytes"] == job.get("totalBytes"))
    return child


def is_running(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_archived_whole(server, sandbox, id):
    sandbox.clear_faults()
    assert server.data.original(id) == sandbox.file(id)
    server.data.assert_tidy()


def test_a_server_killed_during_a_download_continues_it_after_its_next_start(server, sandbox):
    sandbox.fault("slow", ID, bytesPerSecond=600_000)
    job = server.supervisor.start(ID)
    held = server.supervisor.job_until(job, lambda job: job["bytes"] > 300_000)["bytes"]
    server.kill()
    assert server.data.part(ID) is None
    sandbox.clear_faults()
    sandbox.forget_requests()

    server.start()
    # Nobody asks again: the job goes on by itself.
    eventually(lambda: server.data.part(ID))
    [continued] = sandbox.downloads(ID)
    first = int(continued["range"].removeprefix("bytes=").removesuffix("-"))
    assert first >= held and continued["ifRange"].startswith('"')
    assert continued["bytesSent"] == len(server.data.original(ID)) - first
    assert_archived_whole(server, sandbox, ID)


def test_a_server_killed_during_a_conversion_converts_again_from_what_it_has(server, sandbox):
    child = stop_conversion(server, LONG)
    server.kill()
    os.kill(child, signal.SIGCONT)
    assert server.data.part(LONG) is None
    sandbox.forget_requests()

    server.start()
    eventually(lambda: server.data.part(LONG), within=120)
    assert sum(entry["bytesSent"] for entry in sandbox.downloads(LONG)) == 0, "every byte was there already"
    assert_archived_whole(server, sandbox, LONG)


def test_a_server_killed_again_and_again_gets_there_all_the_same(server, sandbox):
    sandbox.fault("slow", ID, bytesPerSecond=500_000)
    job = server.supervisor.start(ID)
    held = 0
    for _ in range(4):
        held = server.supervisor.job_until(job, lambda job: job["bytes"] > held + 200_000)["bytes"]
        server.kill()
        server.start()
    sandbox.clear_faults()
    # A continuation that is under way at this moment still comes slowly.
    eventually(lambda: server.data.part(ID), within=40)
    assert_archived_whole(server, sandbox, ID)


def test_a_file_that_changed_while_the_server_was_down_is_not_joined_from_two_versions(server, sandbox):
    sandbox.fault("slow", ID, bytesPerSecond=600_000)
    job = server.supervisor.start(ID)
    server.supervisor.job_until(job, lambda job: job["bytes"] > 300_000)
    server.kill()
    sandbox.clear_faults()
    before = sandbox.file(ID)
    sandbox.fault("changed-file", ID, times=1, afterBytes=0)
    with pytest.raises((OSError, http.client.HTTPException)):
        sandbox.file(ID)
    server.start()
    eventually(lambda: server.data.part(ID))
    assert server.data.original(ID) != before
    assert_archived_whole(server, sandbox, ID)


def test_a_job_that_waits_for_the_platform_goes_on_waiting_after_a_restart(make_server, sandbox):
    server = make_server()
    job = server.supervisor.start("processing-01")
    polls = server.supervisor.job_until(job, lambda job: job["polls"] >= 3)["polls"]
    server.kill()
    server.start()
    assert server.supervisor.job(job)["polls"] >= polls
    eventually(lambda: server.data.part("processing-01"))
    assert_archived_whole(server, sandbox, "processing-01")


def test_a_caller_who_waits_while_the_server_ends_is_told_where_to_look_afterwards(server, sandbox):
    sandbox.fault("slow", ID, bytesPerSecond=400_000)
    client = server.supervisor
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.ingest, ID)
        eventually(lambda: (server.data.job(ID) or {}).get("bytes", 0) > 0)
        assert server.terminate() == 0
        reply = waiting.result(10)
    assert reply.status == 202
    job = reply.headers["location"]
    assert reply.json() == {"status": "fetching", "job_url": job}
    row = server.data.job(ID)
    assert (row["run_state"], row["attempts"]) == ("idle", 0), "handed back, and no failed attempt"

    sandbox.clear_faults()
    sandbox.forget_requests()
    server.start()
    server.supervisor.job_until(job, lambda job: job["state"] == "done")
    assert sandbox.downloads(ID)[0]["range"] != "bytes=0-"
    assert_archived_whole(server, sandbox, ID)


def test_a_server_that_ends_during_a_conversion_leaves_no_process_behind(server, sandbox):
    child = stop_conversion(server, LONG)
    assert server.terminate() == 0
    eventually(lambda: not is_running(child))
    server.start()
    eventually(lambda: server.data.part(LONG), within=120)
    assert_archived_whole(server, sandbox, LONG)


def states(server) -> list[str]:
    """The state letters of the server's children and of theirs, without the launcher's, which stays."""
    found = []
    for child in server.process.descendants():
        if process_name(child) == "ffmpeg-launcher":
            continue
        try:
            found.append(pathlib.Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def test_a_killed_ffmpeg_leaves_no_zombie_and_the_recording_is_converted_all_the_same(server, sandbox):
    job = server.supervisor.start(LONG)
    for child in eventually(server.process.conversions, every=0.005):
        os.kill(child, signal.SIGKILL)
    job = server.supervisor.job_until(job, lambda job: job["state"] in ("done", "failed"), within=120)
    assert job["state"] == "done", job
    eventually(lambda: not states(server))
    assert_archived_whole(server, sandbox, LONG)


def test_a_killed_server_leaves_no_ffmpeg_running(server, sandbox):
    stop_conversion(server, LONG)
    started = server.process.descendants()
    assert "ffmpeg-launcher" in map(process_name, started)
    server.kill()
    eventually(lambda: not any(map(is_running, started)))


def test_a_killed_launcher_costs_nothing_but_time(server, sandbox):
    stop_conversion(server, LONG)
    [launcher] = [pid for pid in server.process.descendants() if process_name(pid) == "ffmpeg-launcher"]
    os.kill(launcher, signal.SIGKILL)
    job = server.supervisor.start(LONG)
    job = server.supervisor.job_until(job, lambda job: job["state"] in ("done", "failed"), within=120)
    assert job["state"] == "done", job
    assert_archived_whole(server, sandbox, LONG)


def test_two_servers_never_share_a_data_directory(server):
    second = server.command("serve", timeout=30)
    assert second.returncode == 5
    assert "Another process is using the data directory" in second.stderr
    assert server.anonymous.get("/livez").status == 200


def test_what_was_archived_is_still_there_after_a_restart(server, sandbox):
    assert server.supervisor.ingest("codec-gsm").status == 200
    before = server.supervisor.get("/audio/codec-gsm.mp3")
    assert server.terminate() == 0
    server.start()
    after = server.supervisor.get("/audio/codec-gsm.mp3")
    assert (after.status, after.body, after.headers["etag"]) == (200, before.body, before.headers["etag"])
    assert server.supervisor.ingest("codec-gsm").json()["status"] == "ready"
    assert len(sandbox.downloads("codec-gsm")) == 1
    assert_archived_whole(server, sandbox, "codec-gsm")
