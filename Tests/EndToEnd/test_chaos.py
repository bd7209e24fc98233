"""Workers are killed at random moments during ingests; no recording is lost, archived twice or damaged.

`make soak SUITE=chaos` runs it with 1,000 recordings and 500 kills for each of two kinds of installation. TAPEDECK_CHAOS_COUNT, TAPEDECK_CHAOS_KILLS and
TAPEDECK_CHAOS_SEED choose another run.
"""

import os
import threading
import time

import pytest

from cluster import Alone, Cluster, archived, assert_nothing_lost, request_all, seeded
from receiver import Receiver
from waiting import eventually

COUNT = int(os.environ.get("TAPEDECK_CHAOS_COUNT") or 40)
KILLS = int(os.environ.get("TAPEDECK_CHAOS_KILLS") or 4)
IDS = [f"short-{number:04}" for number in range(1, COUNT + 1)]
#: So that downloads take 1 s, or 2 s where more kills are wanted, and kills hit downloads, conversions and commits.
SPEED = 30_000 if KILLS < COUNT / 4 else 15_000


@pytest.fixture(params=[Alone, Cluster], ids=["sqlite-and-files", "postgresql-and-s3"])
def running(request, folder, sandbox):
    with Receiver() as receiver:
        shared = [request.getfixturevalue("backing")] if request.param is Cluster else []
        cluster = request.param(folder, *shared, sandbox, receiver.settings)
        yield cluster, receiver
        cluster.end()


def bytes_sent(sandbox) -> int:
    return sum(counts["bytesSent"] for counts in sandbox.statistics()["recordings"].values())


@pytest.mark.timeout(max(900, 6 * COUNT))
def test_workers_that_are_killed_at_random_moments_lose_and_repeat_nothing(running, sandbox):
    cluster, receiver = running
    random = seeded()
    sandbox.fault("slow", "*", bytesPerSecond=SPEED)
    requests = threading.Thread(target=request_all, args=(cluster, IDS))
    requests.start()
    kills, started = 0, time.monotonic()
    while archived(cluster) < COUNT or kills < KILLS:
        # A random moment of the work, so not one that an event determines. Only the timeout limits the whole run: how
        # long it takes depends on the machine and on what the kills hit.
        time.sleep(random.uniform(0.3, 2))
        victim = random.choice(cluster.workers)
        victim.kill()
        kills += 1
        before = bytes_sent(sandbox)
        victim.start()
        # However slow the machine is, there is progress between two kills.
        eventually(lambda: bytes_sent(sandbox) > before or archived(cluster) == COUNT)
    requests.join()
    sandbox.clear_faults()
    eventually(lambda: not cluster.rows("SELECT 1 AS found FROM job WHERE run_state <> 'done'"))
    print(f"{COUNT} recordings, {kills} kills, {time.monotonic() - started:.0f} s")
    assert_nothing_lost(cluster, sandbox, IDS, receiver)
    # A commit removes the spool files of its claim; the next start removes those of earlier claims.
    for worker in cluster.workers:
        worker.kill()
        worker.start()
    eventually(lambda: not cluster.spools())
