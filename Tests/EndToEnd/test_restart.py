"""A server that is killed or stopped during its work and started again over its data directory."""

import concurrent.futures
import http.client
import os
import signal

import pytest

from programs import is_running, process_state
from waiting import eventually

ID = "bench-3min-01"
#: 50 MB, so that a conversion takes long enough to be observed.
LONG = "bench-50mb"


def stop_conversion(server, id) -> int:
    """Starts a job and stops its conversion at once; when this returns, all bytes are in the spool."""
    job = server.supervisor.start(id)
    child = eventually(server.process.conversions, every=0.005)[0]
    os.kill(child, signal.SIGSTOP)
    server.supervisor.job_until(job, lambda job: job["bytes"] == job.get("totalBytes"))
    return child


def assert_archived_whole(server, sandbox, id):
    sandbox.clear_faults()
    assert server.data.original(id) == sandbox.file(id)
    server.data.assert_tidy()


def test_a_download_continues_after_the_server_was_killed(server, sandbox):
    sandbox.fault("slow", ID, bytesPerSecond=200_000)
    job = server.supervisor.start(ID)
    held = server.supervisor.job_until(job, lambda job: job["bytes"] > 300_000)["bytes"]
    server.kill()
    assert server.data.part(ID) is None
    sandbox.clear_faults()
    sandbox.forget_requests()

    server.start()
    # The job continues without a new request.
    eventually(lambda: server.data.part(ID))
    [continued] = sandbox.downloads(ID)
    first = int(continued["range"].removeprefix("bytes=").removesuffix("-"))
    assert first >= held and continued["ifRange"].startswith('"')
    assert continued["bytesSent"] == len(server.data.original(ID)) - first
    assert_archived_whole(server, sandbox, ID)


def test_a_conversion_starts_again_from_the_spool_after_the_server_was_killed(server, sandbox):
    stop_conversion(server, LONG)
    server.kill()
    assert server.data.part(LONG) is None
    sandbox.forget_requests()

    server.start()
    eventually(lambda: server.data.part(LONG))
    assert sum(entry["bytesSent"] for entry in sandbox.downloads(LONG)) == 0, "all bytes were in the spool"
    assert_archived_whole(server, sandbox, LONG)


def test_a_recording_is_archived_although_the_server_is_killed_repeatedly(server, sandbox):
    sandbox.fault("slow", ID, bytesPerSecond=100_000)
    job = server.supervisor.start(ID)
    held = 0
    for _ in range(4):
        held = server.supervisor.job_until(job, lambda job: job["bytes"] > held + 100_000)["bytes"]
        server.kill()
        server.start()
    sandbox.clear_faults()
    eventually(lambda: server.data.part(ID))
    assert_archived_whole(server, sandbox, ID)


def test_two_versions_of_a_file_are_not_joined_when_it_changed_while_the_server_was_down(server, sandbox):
    sandbox.fault("slow", ID, bytesPerSecond=200_000)
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


def test_a_job_continues_to_poll_the_platform_after_a_restart(make_server, sandbox):
    server = make_server()
    job = server.supervisor.start("processing-01")
    polls = server.supervisor.job_until(job, lambda job: job["polls"] >= 3)["polls"]
    server.kill()
    server.start()
    assert server.supervisor.job(job)["polls"] >= polls
    eventually(lambda: server.data.part("processing-01"))
    assert_archived_whole(server, sandbox, "processing-01")


def test_a_waiting_caller_gets_the_address_of_the_job_when_the_server_stops(server, sandbox):
    sandbox.fault("slow", ID, bytesPerSecond=50_000)
    client = server.supervisor
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.ingest, ID)
        eventually(lambda: (server.data.job(ID) or {}).get("bytes", 0) > 0)
        assert server.terminate() == 0
        reply = waiting.result()
    assert reply.status == 202
    job = reply.headers["location"]
    assert reply.json() == {"status": "fetching", "job_url": job}
    row = server.data.job(ID)
    assert (row["run_state"], row["attempts"]) == ("idle", 0), "the job is released, without a failed attempt"

    sandbox.clear_faults()
    sandbox.forget_requests()
    server.start()
    server.supervisor.job_until(job, lambda job: job["state"] == "done")
    assert sandbox.downloads(ID)[0]["range"] != "bytes=0-"
    assert_archived_whole(server, sandbox, ID)


def test_a_server_that_stops_during_a_conversion_leaves_no_process(server, sandbox):
    child = stop_conversion(server, LONG)
    assert server.terminate() == 0
    eventually(lambda: not is_running(child))
    server.start()
    eventually(lambda: server.data.part(LONG))
    assert_archived_whole(server, sandbox, LONG)


def states(server) -> list[str]:
    """The state letters of the server's descendants, except the transcoder, which stays."""
    children = set(server.process.descendants()) - set(server.process.transcoders())
    return [state for state in map(process_state, children) if state]


def test_a_killed_conversion_leaves_no_zombie_and_the_conversion_is_repeated(server, sandbox):
    job = server.supervisor.start(LONG)
    for child in eventually(server.process.conversions, every=0.005):
        os.kill(child, signal.SIGKILL)
    job = server.supervisor.job_until(job, lambda job: job["state"] in ("done", "failed"))
    assert job["state"] == "done", job
    eventually(lambda: not states(server))
    assert_archived_whole(server, sandbox, LONG)


def test_a_killed_server_leaves_no_conversion_running(server, sandbox):
    stop_conversion(server, LONG)
    started = server.process.descendants()
    assert len(server.process.transcoders()) == 1 and len(started) == 2
    server.kill()
    eventually(lambda: not any(map(is_running, started)))


def test_a_recording_is_archived_although_the_transcoder_is_killed(server, sandbox):
    stop_conversion(server, LONG)
    [transcoder] = server.process.transcoders()
    os.kill(transcoder, signal.SIGKILL)
    job = server.supervisor.start(LONG)
    job = server.supervisor.job_until(job, lambda job: job["state"] in ("done", "failed"))
    assert job["state"] == "done", job
    assert_archived_whole(server, sandbox, LONG)


def test_two_servers_never_share_a_data_directory(server):
    second = server.command("serve")
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
