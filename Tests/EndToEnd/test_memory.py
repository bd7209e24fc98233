"""How much memory the server itself needs at most, FFmpeg's children apart. For the release build: `make memory`."""

import subprocess

import pytest

from waiting import eventually

pytestmark = [pytest.mark.memory, pytest.mark.timeout(3000)]

MIB = 1024


def test_a_recording_of_a_gigabyte_takes_less_than_120_megabytes(server):
    job = server.supervisor.start("huge-1gb")
    job = server.supervisor.job_until(job, lambda job: job["state"] in ("done", "failed"), within=1800)
    assert job["state"] == "done", job
    part = server.data.part("huge-1gb")
    original = server.data.object(part["original_key"])
    assert original.stat().st_size == part["source_bytes"] == 1_000_000_000
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
