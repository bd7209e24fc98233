"""Workers are killed at random moments while recordings flow: nothing is lost, nothing twice, nothing damaged.

`make chaos` runs it with 1,000 recordings; `TAPEDECK_CHAOS_COUNT` and `TAPEDECK_CHAOS_SEED` choose another run.
"""

import os
import threading
import time

import pytest

from cluster import Alone, Cluster, archived, assert_nothing_lost, request_all, seeded
from receiver import Receiver
from waiting import eventually

COUNT = int(os.environ.get("TAPEDECK_CHAOS_COUNT") or 40)
IDS = [f"short-{number:04}" for number in range(1, COUNT + 1)]
#: About a second for each, so that blows fall into downloads as well as into conversions and commits.
SPEED = 30_000


@pytest.fixture(params=[Alone, Cluster], ids=["sqlite-and-files", "postgresql-and-s3"])
def running(request, folder, sandbox):
    with Receiver() as receiver:
        cluster = request.param(folder, sandbox, receiver.settings)
        yield cluster, receiver
        cluster.end()


@pytest.mark.timeout(120 + 6 * COUNT)
def test_workers_that_are_killed_at_random_moments_lose_and_repeat_nothing(running, sandbox):
    cluster, receiver = running
    dice = seeded()
    sandbox.fault("slow", "*", bytesPerSecond=SPEED)
    asking = threading.Thread(target=request_all, args=(cluster, IDS))
    asking.start()
    kills, started = 0, time.monotonic()
    # As many blows as leave time for work between them, however fast the machine is.
    while archived(cluster) < COUNT:
        time.sleep(dice.uniform(0.3, 2))
        victim = dice.choice(cluster.workers)
        victim.kill()
        kills += 1
        victim.start()
        assert time.monotonic() - started < 60 + 5 * COUNT, f"{archived(cluster)} of {COUNT} after {kills} kills"
    asking.join()
    sandbox.clear_faults()
    eventually(lambda: not cluster.rows("SELECT 1 AS found FROM job WHERE run_state <> 'done'"), within=60)
    print(f"{COUNT} recordings, {kills} kills, {time.monotonic() - started:.0f} s")
    assert kills >= min(3, COUNT // 10), "too quick to say anything"
    assert_nothing_lost(cluster, sandbox, IDS, receiver)
    # What the last claim left is gone with the commit, what earlier ones left with the next start.
    for worker in cluster.workers:
        worker.kill()
        worker.start()
    eventually(lambda: not cluster.spools(), within=30)
