"""Managing jobs on the command line: failed jobs are listed, retried and cancelled."""

import json

import pytest

from programs import PASSWORD, request
from sessions import Session
from waiting import eventually

ID = "bench-3min-01"


def jobs(server, *filters: str) -> list[dict]:
    return json.loads(server.ok("jobs", "list", "--json", *filters))["jobs"]


def fail(server, sandbox, id: str, fault: str = "cut-short") -> dict:
    sandbox.fault(fault, id)
    job = server.supervisor.start(id)
    failed = server.supervisor.job_until(job, lambda job: job["state"] == "failed")
    sandbox.clear_faults()
    return failed


def test_a_failed_job_is_listed_and_retried(server, sandbox):
    failed = fail(server, sandbox, "codec-pcm-mono")
    assert server.supervisor.ingest("codec-gsm").status == 200
    assert [job["recordingId"] for job in jobs(server)] == ["codec-gsm", "codec-pcm-mono"]
    [listed] = jobs(server, "--state", "failed", "--code", "not_a_whole_recording")
    assert listed["id"] == failed["id"] and listed["error"]["code"] == "not_a_whole_recording"
    assert jobs(server, "--state", "failed", "--code", "never_available") == []
    table = server.ok("jobs", "list", "--state", "failed")
    assert "codec-pcm-mono" in table and "not_a_whole_recording" in table and "codec-gsm" not in table

    # Commands take the ID as it is, without a source in front.
    assert server.command("jobs", "show", "default~codec-pcm-mono").returncode == 6
    for name in (str(failed["id"]), "codec-pcm-mono"):
        shown = json.loads(server.ok("jobs", "show", name, "--json"))
        assert shown["id"] == failed["id"] and shown["state"] == "failed"
        assert "not_a_whole_recording" in server.ok("jobs", "show", name)

    done = server.command("jobs", "retry", "--failed", "--code", "not_a_whole_recording")
    assert (done.returncode, done.stdout) == (0, ""), done
    server.supervisor.job_until(f"/api/v1/jobs/{failed['id']}", lambda job: job["state"] == "done")
    assert server.data.original("codec-pcm-mono") == sandbox.file("codec-pcm-mono")
    [entry] = server.audit("--what", "retry_job")
    assert entry["actor"]["kind"] == "operator" and entry["recordingId"] == "codec-pcm-mono"
    again = server.command("jobs", "retry", str(failed["id"]))
    assert again.returncode == 1 and "is archived" in again.stderr
    server.data.assert_tidy()


def test_a_cancelled_download_leaves_no_files(server, sandbox):
    sandbox.fault("slow", ID, bytesPerSecond=50_000)
    job = server.supervisor.start(ID)
    server.supervisor.job_until(job, lambda job: job["bytes"] > 0)
    assert server.command("jobs", "cancel", ID).returncode == 0
    assert server.supervisor.job(job)["state"] == "cancelled"
    eventually(lambda: sandbox.statistics()["downloadsInFlight"] == 0)
    eventually(lambda: not server.data.files("spool"))
    reply = server.command("jobs", "cancel", ID)
    assert reply.returncode == 1 and "already ended" in reply.stderr
    assert server.audit("--what", "cancel_job")[0]["recordingId"] == ID
    sandbox.clear_faults()
    assert server.command("jobs", "retry", ID).returncode == 0
    server.supervisor.job_until(job, lambda job: job["state"] == "done")
    assert server.data.original(ID) == sandbox.file(ID)
    server.data.assert_tidy()


def test_jobs_are_managed_without_a_running_server(server, sandbox):
    failed = fail(server, sandbox, "codec-pcm-mono", "gone")
    assert server.terminate() == 0
    assert jobs(server)[0]["id"] == failed["id"]
    server.ok("jobs", "retry", "codec-pcm-mono")
    assert server.data.job("codec-pcm-mono")["run_state"] == "idle"
    server.ok("jobs", "cancel", "codec-pcm-mono")
    server.start()
    assert server.data.job("codec-pcm-mono")["run_state"] == "cancelled"
    assert server.supervisor.ingest("codec-pcm-mono").status == 200


@pytest.mark.parametrize("arguments", [
    ["jobs", "list", "--state", "dead"], ["jobs", "list", "--limit", "0"], ["jobs", "show", "a" * 501],
])
def test_wrong_usage_is_reported(make_server, arguments):
    server = make_server(start=False)
    server.ok("init", "--empty")
    done = server.command(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done


def test_a_retry_of_several_jobs_can_succeed_in_part(server, sandbox):
    fail(server, sandbox, "codec-pcm-mono", "gone")
    assert server.supervisor.ingest("codec-gsm").status == 200
    done = server.command("jobs", "retry", "codec-pcm-mono", "codec-gsm")
    assert done.returncode == 3 and "is archived" in done.stderr
    assert server.command("jobs", "show", "unknown-id").returncode == 6
    eventually(lambda: server.data.part("codec-pcm-mono"))


def test_agents_cannot_manage_jobs(server, sandbox):
    job = fail(server, sandbox, "codec-pcm-mono", "gone")
    for method, path in [("GET", "/api/v1/jobs"), ("GET", "/api/v1/platform"),
                         ("POST", f"/api/v1/jobs/{job['id']}/retry"), ("POST", f"/api/v1/jobs/{job['id']}/cancel")]:
        assert server.agent.request(method, path).status == 403
        assert server.anonymous.request(method, path).status == 401
    assert server.supervisor.request("POST", f"/api/v1/jobs/{job['id']}/retry").status == 200


def test_the_platforms_rate_limit_is_learnt_and_shown(make_server, sandbox):
    limit = {"rate": 4, "burst": 8}
    assert request(sandbox.base, "PUT", "/sandbox/limit", {}, json.dumps(limit)).status == 200
    server = make_server(CXONE_RATE="50", CXONE_BURST="20")
    ids = [f"small-{number:02}" for number in range(1, 25)]
    for id in ids:
        sandbox.fault("gone", id, endpoint="download")
        server.supervisor.start(id)
    eventually(lambda: len(jobs(server, "--state", "failed")) == len(ids))
    statistics = sandbox.statistics()
    assert statistics["overLimit"] <= 6, statistics["statuses"]
    [source] = server.supervisor.get("/api/v1/platform").json()["sources"]
    assert source["configuredRate"] == 50 and source["effectiveRate"] < 50
    assert source["refusedLastHour"] == statistics["overLimit"]
    assert source["requestsLastHour"] == sum(statistics["endpoints"].values())
    assert "default" in server.ok("platform")
    page = Session.sign_in(server.url, "sue", PASSWORD).page("/platform")
    assert page.status == 200 and "<h1>Platform</h1>" in page.text
    metrics = server.client("metrics").get("/metrics").text
    assert 'tapedeck_platform_rate_configured{source="default"} 50' in metrics
    for name in ("rate_effective", "budget_used_ratio", "paused_seconds", "retry_ratio"):
        assert f'tapedeck_platform_{name}{{source="default"}}' in metrics, name

