"""The contract `media-playback`: the built program against the simulated tenant, from `doctor` to archived files."""

from __future__ import annotations

import json
import pathlib

import pytest

from archive import DataDirectory
from process import QUICK, command
from programs import Sandbox

#: Master contacts of the tenant's special calls, in the order of `SpecialCall`.
TWO_PARTS, HOLD_AND_MASK, THREE_LEGS, ERASED, FILE, RESTRICTED, NEVER_RECORDED = (
    "900000000001", "900000000004", "900000000007", "900000000010", "900000000012", "900000000013", "900000000014")


class MediaSandbox(Sandbox):
    def __init__(self, folder: pathlib.Path, *arguments: str):
        super().__init__(folder, "--contract", "media-playback", "--calls", "0", *arguments)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "CXONE_CONTRACT": "media-playback", "CXONE_ISSUER_URL": self.base, "CXONE_AREA_URL": self.base,
            "CXONE_MEDIA_HOSTS": "127.0.0.1", "CXONE_MEDIA_RATE": "1000/1s", "CXONE_ACCESS_KEY_ID": "sandbox-key",
            "CXONE_ACCESS_KEY_SECRET": "sandbox-key-secret====", "CXONE_CLIENT_ID": "sandbox-client",
            "CXONE_CLIENT_SECRET": "sandbox-secret", "TAPEDECK_SYNC": "off"}


@pytest.fixture
def tenant(folder):
    sandbox = MediaSandbox(folder)
    yield sandbox
    sandbox.kill()


def checks(folder: pathlib.Path, settings: dict[str, str]) -> dict[str, dict]:
    done = command(folder, "doctor", "--json", settings=settings)
    return {found["check"]: found for found in map(json.loads, done.stdout.splitlines())}


def test_doctor_checks_each_step(folder, tenant):
    found = checks(folder, QUICK | tenant.settings)
    for name in ("Sign-in", "Discovery", "Search for contacts", "Media playback", "First media"):
        assert found[f"{name} of source 'default'"]["ok"], found


@pytest.mark.parametrize("change, name, text", [
    ({"CXONE_ACCESS_KEY_SECRET": "wrong"}, "Sign-in", "CXONE_ACCESS_KEY_ID"),
    ({"CXONE_CLIENT_SECRET": "wrong"}, "Sign-in", "CXONE_CLIENT_ID"),
    ({"CXONE_TENANT_ID": "other"}, "Discovery", "CXONE_TENANT_ID"),
    ({"CXONE_ACD_URL": "http://127.0.0.1:9"}, "Connection to 127.0.0.1 (HTTP)", "refused the connection"),
])
def test_doctor_names_what_is_wrong(folder, tenant, change, name, text):
    found = checks(folder, QUICK | tenant.settings | change)
    failed = [check for check, result in found.items() if not result["ok"] and not result.get("skipped")]
    assert f"{name} of source 'default'" in failed, found
    assert text in found[f"{name} of source 'default'"]["message"], found
    assert found["Media playback of source 'default'"].get("skipped"), found


def test_calls_are_archived_with_one_media_request_each(folder, tenant):
    settings = QUICK | tenant.settings
    assert command(folder, "init", "--empty", settings=settings).returncode == 0
    done = command(folder, "ingest", HOLD_AND_MASK, THREE_LEGS, FILE, RESTRICTED, settings=settings)
    assert done.returncode == 0, done
    data = DataDirectory(folder / "tapedeck-data")
    for id in (HOLD_AND_MASK, THREE_LEGS, FILE, RESTRICTED):
        assert data.original(id).startswith(b"RIFF")
    counts = tenant.statistics()["recordings"]
    for name in ("hold-and-mask", "three-legs", "restricted-customer"):
        assert counts[f"media-{name}"]["metadata"] == 1, counts
    privacies = {row["platform_id"]: (row["privacy"], row["privacy_is_known"])
                 for row in data.rows("SELECT * FROM recording")}
    assert privacies[HOLD_AND_MASK] == ("standard", 1)
    assert privacies[RESTRICTED] == ("restricted", 1)
    # The file of the ACD says nothing about privacy.
    assert privacies[FILE] == ("restricted", 0)
    for path in data.path.rglob("*"):
        if path.is_file():
            assert b"sandboxsignature" not in path.read_bytes(), path
    assert "sandboxsignature" not in done.stdout + done.stderr


def test_a_call_of_two_parts_is_not_archived_as_one(folder, tenant):
    settings = QUICK | tenant.settings
    assert command(folder, "init", "--empty", settings=settings).returncode == 0
    done = command(folder, "ingest", TWO_PARTS, settings=settings)
    assert done.returncode != 0
    assert "2 media files" in done.stdout + done.stderr, done


def test_coverage_does_not_expect_calls_that_were_not_recorded(folder, tenant):
    settings = QUICK | tenant.settings
    assert command(folder, "init", "--empty", settings=settings).returncode == 0
    assert command(folder, "sync", settings=settings).returncode == 0
    data = DataDirectory(folder / "tapedeck-data")
    known = {row["platform_id"] for row in data.rows("SELECT platform_id FROM recording")}
    assert THREE_LEGS in known and NEVER_RECORDED not in known
    legs = json.loads(data.rows("SELECT metadata FROM recording WHERE platform_id = ?", THREE_LEGS)[0]["metadata"])
    assert len(legs["legs"]) == 3


def test_erased_addresses_open_a_notice_which_a_person_closes(folder, tenant):
    settings = QUICK | tenant.settings

    def run(*arguments: str) -> str:
        done = command(folder, *arguments, settings=settings)
        assert done.returncode == 0, done
        return done.stdout

    def notices(*arguments: str) -> list[dict]:
        return json.loads(run("notices", "list", "--json", *arguments))["notices"]

    run("init", "--empty")
    run("sync")
    run("sync")
    [notice] = notices()
    assert notice["recordingId"] == ERASED and "closedAt" not in notice
    assert ERASED in run("notices", "list")
    run("notices", "close", str(notice["id"]), "--decision", "Kept: hold 7.")
    assert notices() == []
    [closed] = notices("--closed")
    assert closed["decision"] == "Kept: hold 7." and closed["closedBy"].startswith("operator:")
    assert command(folder, "notices", "close", "99", "--decision", "x", settings=settings).returncode == 6
    run("sync")
    assert notices() == []
    actions = [json.loads(line)["action"] for line in run("audit", "list", "--json").splitlines()]
    assert actions.count("open_notice") == actions.count("close_notice") == 1
    # Nothing else has happened to the recording.
    assert json.loads(run("show", ERASED, "--json"))["id"] == ERASED
