"""The peak memory of the server, without the FFmpeg processes.

A leak shows with 200 MB as it does with 1 GB, which `make soak SUITE=memory` runs.
"""

import os
import sqlite3
import subprocess

import pytest

from waiting import eventually

pytestmark = pytest.mark.timeout(1800)

MIB = 1024

LARGE, LARGE_BYTES = ("huge-1gb", 1_000_000_000) if os.environ.get("TAPEDECK_SOAK") else ("large-200mb", 200_000_000)


def test_a_large_recording_takes_less_than_120_megabytes(server):
    job = server.supervisor.start(LARGE)
    job = server.supervisor.job_until(job, lambda job: job["state"] in ("done", "failed"), within=1800)
    assert job["state"] == "done", job
    part = server.data.part(LARGE)
    original = server.data.object(part["original_object"])
    assert original.stat().st_size == part["source_bytes"] == LARGE_BYTES
    hashed = subprocess.run(["sha256sum", original], capture_output=True, text=True, check=True).stdout.split()[0]
    assert hashed == part["source_sha256"]
    peak = server.process.peak_kib()
    print(f"VmHWM {peak / MIB:.1f} MiB")
    assert peak < 120 * MIB


def test_64_recordings_at_once_take_less_than_250_megabytes(server, sandbox):
    ids = [f"small-{number:02}" for number in range(1, 65)]
    for id in ids:
        server.supervisor.start(id)
    count = "SELECT count(*) AS n FROM recording WHERE archived_at IS NOT NULL"
    eventually(lambda: server.data.rows(count)[0]["n"] == len(ids), within=1800, every=0.5)
    peak = server.process.peak_kib()
    print(f"VmHWM {peak / MIB:.1f} MiB")
    assert peak < 250 * MIB
    for id in ids:
        assert server.data.part(id)["source_bytes"] == 44 + 180 * 32_000
    assert server.data.original("small-01") == sandbox.file("small-01")
    assert server.data.original("small-64") == sandbox.file("small-64")
    server.data.assert_tidy()


def test_a_hundred_thousand_waiting_recordings_take_no_thread_and_less_than_100_megabytes(server, sandbox):
    assert server.supervisor.ingest("short-0001").status == 200
    threads = server.process.threads()
    assert server.terminate() == 0
    # The state of jobs that poll the platform again in a day.
    with sqlite3.connect(server.data.path / "catalog.sqlite") as catalog:
        catalog.execute("""
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, due_at, polls)
            SELECT 'ingest', 'default', 'waiting-' || i, 'awaiting', 'waiting', 'standard', 0,
              (unixepoch() + 86400) * 1000, 1 FROM n""")
    catalog.close()
    server.start()
    # Jobs that are due do not wait for the others, and lists and metrics work.
    for number in range(2, 12):
        assert server.supervisor.ingest(f"short-{number:04}").status == 200
    assert server.supervisor.get("/").status == 200
    assert server.client("admin").get("/api/v1/jobs").status == 200
    assert server.client("metrics").get("/metrics").status == 200
    [waiting] = server.data.rows("SELECT count(*) AS n FROM job WHERE run_state = 'waiting'")
    assert waiting["n"] == 100_000
    peak = server.process.peak_kib()
    print(f"VmHWM {peak / MIB:.1f} MiB, {threads} threads before, {server.process.threads()} with 100,000 waiting")
    assert peak < 100 * MIB
    assert server.process.threads() < 2 * threads, "the pools of threads may differ, but not with the number of jobs"
