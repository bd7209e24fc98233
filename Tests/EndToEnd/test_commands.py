"""The command line: results on standard output, messages on standard error, documented exit codes."""

import concurrent.futures
import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import signal
import sqlite3
import struct
import subprocess
import termios

import pytest

from programs import BINARY, PATIENCE, Sandbox, command, environment, request
from sessions import Session, sign_in_reply
from waiting import eventually

@pytest.fixture(params=["running", "stopped"])
def installation(request, make_server):
    """A data directory with and without a running server; commands work the same way on both."""
    server = make_server(start=request.param == "running")
    if request.param == "stopped":
        server.ok("init", "--empty")
    return server


def test_help_lists_the_commands(folder):
    done = command(folder, "--help")
    assert (done.returncode, done.stderr) == (0, "") and "USAGE: tapedeck" in done.stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", command(folder, "--version").stdout)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("arguments", [["ingest", "--from", "yesterday"], ["backfill", "start", "--from", "2200-01-01", "--to", "2200-01-02"]])
def test_wrong_usage_ends_with_2(make_server, arguments):
    """Found while arguments are parsed, and found by the server."""
    server = make_server(start=False)
    server.ok("init", "--empty")
    done = server.command(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.strip()


def test_a_command_without_a_data_directory_says_how_to_create_one(folder, sandbox):
    for arguments in (["list"], ["show", "x"], ["token", "list"], ["token", "create", "x", "--role", "agent"],
                      ["audit", "list"], ["ingest", "x"], ["search", "--from", "2026-01-01", "--to", "2026-01-02"]):
        done = command(folder, *arguments, settings=sandbox.settings)
        assert (done.returncode, done.stdout) == (12, ""), done
        assert "tapedeck serve" in done.stderr and f"{folder}/tapedeck-data" in done.stderr
    done = command(folder, "user", "add", "x", "--role", "agent", settings=sandbox.settings, stdin="long enough\n")
    assert done.returncode == 12
    assert not (folder / "tapedeck-data").exists()


def test_a_token_is_printed_alone_and_works_until_it_is_revoked(make_server):
    server = make_server(fresh=True)
    made = server.command("token", "create", "reporting", "--role", "supervisor", "--agent-id", "1001", "--team", "11")
    assert made.returncode == 0 and re.fullmatch(r"tdk_[A-Za-z0-9_-]{43}\n", made.stdout)
    token = made.stdout.strip()
    bearer = {"Authorization": f"Bearer {token}"}
    assert request(server.url, "GET", "/api/v1/recordings", bearer).status == 200
    [listed] = json.loads(server.ok("token", "list", "--json"))["tokens"]
    assert [listed[name] for name in ("name", "role", "agentId", "team")] == ["reporting", "supervisor", "1001", "11"]
    assert "revokedAt" not in listed
    assert token not in server.ok("token", "list") and "reporting" in server.ok("token", "list")
    done = server.command("token", "revoke", "reporting")
    assert (done.returncode, done.stdout) == (0, "")
    assert request(server.url, "GET", "/api/v1/recordings", bearer).status == 401
    assert json.loads(server.ok("token", "list", "--json"))["tokens"][0]["revokedAt"]
    assert server.command("token", "revoke", "reporting").returncode == 6


def test_tokens_and_accounts_are_created_with_and_without_a_running_server(installation):
    token = installation.ok("token", "create", "script", "--role", "agent").strip()
    done = installation.command("user", "add", "ann", "--role", "supervisor", stdin="a good password\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert installation.command("token", "create", "script", "--role", "agent").returncode == 1, "the name is in use"
    assert installation.command("user", "add", "ann", "--role", "agent", stdin="a good password\n").returncode == 1
    if not installation.process:
        installation.start()
    assert request(installation.url, "GET", "/", {"Authorization": f"Bearer {token}"}).status == 200
    assert sign_in_reply(installation.url, "ann", "a good password").status == 303
    created = [(entry["action"], entry["actor"]["kind"]) for entry in installation.audit()]
    assert ("create_token", "operator") in created and ("create_account", "operator") in created


@pytest.mark.parametrize("stdin, role", [("", "agent"), ("short\n", "agent"), ("long enough\n", "king"),
                                         ("long enough\n", "metrics")])
def test_a_bad_password_or_role_creates_no_account(make_server, stdin, role):
    server = make_server(start=False)
    server.ok("init", "--empty")
    assert server.audit() == []
    done = server.command("user", "add", "x", "--role", role, stdin=stdin)
    assert done.returncode == 2, done
    assert server.data.rows("SELECT * FROM account") == []


def test_an_account_is_listed_changed_disabled_and_removed(server):
    server.ok("user", "add", "eve", "--role", "agent", stdin="a good password\n")
    session = Session.sign_in(server.url, "eve", "a good password")
    assert session.request("GET", "/api/v1/recordings").status == 200
    server.ok("user", "disable", "eve")
    assert session.request("GET", "/api/v1/recordings").status == 401
    assert sign_in_reply(server.url, "eve", "a good password").status == 401
    server.ok("user", "enable", "eve")
    server.ok("user", "role", "eve", "supervisor")
    assert server.command("user", "password", "eve", stdin="password1\n").returncode == 2
    server.ok("user", "password", "eve", stdin="another good one\n")
    session = Session.sign_in(server.url, "eve", "another good one")
    listed = json.loads(server.ok("user", "list", "--json"))["accounts"]
    [eve] = [account for account in listed if account["name"] == "eve"]
    assert (eve["role"], eve["sessions"], "disabledAt" in eve) == ("supervisor", 1, False)
    server.ok("user", "end-sessions", "eve")
    assert session.request("GET", "/api/v1/recordings").status == 401
    server.ok("user", "remove", "eve")
    assert "eve" not in server.ok("user", "list")
    assert server.command("user", "enable", "eve").returncode == 6
    [entry] = server.audit("--what", "remove_account")
    assert entry["details"]["name"] == "eve"


def test_the_access_log_is_filtered_by_names_as_it_shows_them(server):
    for name in ("ann", "alex"):
        server.ok("user", "add", name, "--role", "supervisor", stdin="a good password\n")
        session = Session.sign_in(server.url, name, "a good password")
        assert session.request("GET", "/api/v1/recordings").status == 200
    done = server.command("token", "create", "Alex", "--role", "agent")
    assert done.returncode == 1 and "An account with this name, or one that looks the same, exists" in done.stderr
    server.ok("token", "create", "robot", "--role", "agent")
    done = server.command("user", "add", "ROBOT", "--role", "agent", stdin="a good password\n")
    assert done.returncode == 1 and "A token with this name" in done.stderr
    server.ok("user", "remove", "ann")
    for who, name in (("ann", "ann"), ("ANN", "ann"), ("Alex", "alex")):
        assert {entry["actor"]["name"] for entry in server.audit("--who", who)} == {name}
        assert name in server.ok("audit", "list", "--who", who)
    for arguments in ([], ["--all"], ["--json"]):
        done = server.command("audit", "list", "--who", "unknown-name", *arguments)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == "No account or token is named 'unknown-name'.\n", done
    assert server.command("audit", "list", "--who", "alex", "--what", "cancel_job").stderr == "No entries match.\n"


def test_taking_the_role_of_the_last_administrator_is_said(make_server):
    server = make_server(start=False)
    made = server.command("init", "--empty")
    assert made.returncode == 0 and "Created the data directory" in made.stderr
    assert "already exists" in server.command("init", "--empty").stderr
    for name in ("alex", "kim"):
        server.ok("user", "add", name, "--role", "admin", stdin="a good password\n")
    assert "No admin is left" not in server.command("user", "role", "kim", "agent").stderr
    done = server.command("user", "role", "alex", "agent")
    assert done.returncode == 0 and "No admin is left; create one with 'tapedeck user add" in done.stderr, done
    assert "No admin is left" not in server.command("user", "remove", "kim").stderr
    server.ok("user", "role", "alex", "admin")
    assert "No admin is left" in server.command("user", "disable", "alex").stderr


def test_commands_say_first_which_period_they_cover(server):
    days = ["--from", "2026-11-01", "--to", "2026-11-03"]
    zone = "time zone of the source 'default'"
    for arguments, period in (
            (["search", *days], "2026-11-01 to 2026-11-02, both days included (UTC)"),
            (["ingest", *days], "2026-11-01 to 2026-11-02, both days included (UTC)"),
            (["coverage", "--offline", *days], f"2026-11-01 to 2026-11-02, both days included ({zone})"),
            (["backfill", "start", *days], f"2026-11-01 to 2026-11-02, both days included ({zone})"),
            (["list", *days], "2026-11-01 to 2026-11-03, both days included (UTC)"),
            (["audit", "list", *days], "2026-11-01 to 2026-11-03, both days included (UTC)")):
        assert server.command(*arguments).stderr.splitlines()[0] == f"Period: {period}.", arguments
        assert "Period:" not in server.command(*arguments, "--quiet").stderr
    assert "Period:" not in server.command("list").stderr


def test_verify_says_when_the_archive_has_none_of_the_recordings(server):
    done = server.command("verify", "unknown-1")
    assert done.returncode == 6 and "The archive has no recording with this ID." in done.stderr, done
    assert server.command("verify", "unknown-1", "unknown-2").returncode == 6
    assert server.supervisor.ingest("codec-gsm").status == 200
    assert server.command("verify", "unknown-1", "codec-gsm").returncode == 3
    assert server.command("verify", "codec-gsm").returncode == 0


def test_recordings_are_ingested_with_and_without_a_running_server(installation, sandbox):
    done = installation.command("ingest", "codec-pcm-mono", "codec-gsm", "--json")
    assert done.returncode == 0, done
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(line["id"], line["status"], line["playerUrl"]) for line in lines} == {
        ("codec-pcm-mono", "ready", "/play/codec-pcm-mono"), ("codec-gsm", "ready", "/play/codec-gsm")}
    again = installation.command("ingest", "codec-gsm", "--json")
    assert again.returncode == 0 and json.loads(again.stdout)["status"] == "ready"
    assert len(sandbox.downloads("codec-gsm")) == 1
    for id in ("codec-pcm-mono", "codec-gsm"):
        assert installation.data.original(id) == sandbox.file(id)
    installation.data.assert_tidy()


def test_ingest_exits_with_3_when_some_recordings_failed_and_names_them(server, sandbox):
    done = server.command("ingest", "codec-pcm-mono", "failed-01", "no-such-recording", "--json")
    assert done.returncode == 3
    lines = {line["id"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert lines["codec-pcm-mono"]["status"] == "ready"
    assert (lines["failed-01"]["status"], lines["failed-01"]["code"]) == ("failed", "recording_failed_on_platform")
    assert lines["no-such-recording"]["code"] == "unknown_recording"
    assert lines["no-such-recording"]["detail"]
    assert "2 recordings could not be archived" in done.stderr
    words = server.command("ingest", "codec-pcm-mono", "failed-01")
    assert words.returncode == 3 and words.stdout == ""
    assert "failed-01: " in words.stderr and "1 of 2 recordings archived, 1 failed." in words.stderr
    assert "\x1b" not in words.stderr, "bars are for terminals"


@pytest.mark.parametrize("ids, code", [
    (["no-such-recording"], 6), (["no-such-recording", "nor-this-one"], 6), (["failed-01"], 1),
    (["no-such-recording", "failed-01"], 3), (["no-such-recording", "codec-gsm"], 3),
])
def test_ingest_exits_with_the_code_of_the_reason_when_all_failed_for_the_same(server, ids, code):
    done = server.command("ingest", *ids)
    assert done.returncode == code, done
    assert "no-such-recording: The platform has no recording with this ID. Compare the ID with" in done.stderr or code == 1


def test_an_unknown_recording_says_what_to_try(server):
    shown = server.command("show", "no-such-recording")
    assert shown.returncode == 6 and "'tapedeck ingest ID'" in shown.stderr, shown
    job = server.command("jobs", "show", "no-such-recording")
    assert job.returncode == 6 and "no recording with this ID was requested" in job.stderr, job


@pytest.mark.parametrize("arguments, option", [
    (["list", "--status", "redy"], "--status"), (["list", "--from", "yesterday"], "--from"),
    (["list", "--limit", "501"], "--limit"), (["audit", "list", "--to", "2026-13-01"], "--to"),
    (["audit", "list", "--what", "lisst"], "--what"), (["audit", "list", "--outcome", "maybe"], "--outcome"),
    (["jobs", "list", "--state", "idle"], "--state"), (["jobs", "list", "--limit", "0"], "--limit"),
    (["quarantine", "list", "--limit", "1001"], "--limit"),
    (["backfill", "start", "--from", "2026-01-01", "--to", "2026-01-02", "--direction", "up"], "--direction"),
    (["serve", "--listen", "here"], "--listen"),
])
def test_a_message_about_a_value_names_the_option_as_it_is_typed(folder, sandbox, arguments, option):
    done = command(folder, *arguments, settings=sandbox.settings)
    assert done.returncode == (12 if arguments[0] == "serve" else 2), done
    assert f"{option} must be " in done.stderr or f"{option} has no value " in done.stderr, done


def test_a_time_range_is_ingested_page_by_page(server, sandbox):
    day = sandbox.metadata("codec-gsm")["startTime"]
    until = f"{day[:14]}59:59Z"
    wanted = sandbox.search(f"startTime={day[:14]}00:00Z&endTime={until}&direction=outbound&pageSize=500")["recordings"]
    wanted = {item["id"] for item in wanted if item["status"] == "available"}
    assert "codec-gsm" in wanted
    done = server.command("ingest", "--from", f"{day[:14]}00:00Z", "--to", until, "--direction", "outbound", "--json")
    lines = {line["id"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert {id for id, line in lines.items() if line["status"] == "ready"} >= wanted
    assert done.returncode == (3 if any(line["status"] == "failed" for line in lines.values()) else 0)
    # Recordings that are ready are in the list of that hour.
    listed = json.loads(server.ok("list", "--from", f"{day[:14]}00:00Z", "--to", until, "--status", "ready", "--json"))
    assert {row["id"] for row in listed["recordings"]} >= wanted
    server.data.assert_tidy()


def test_search_lists_the_recordings_of_the_platform(installation, sandbox):
    everything = sandbox.search("pageSize=500")["recordings"]
    found = installation.lines("search", "--from", "2000-01-01", "--to", "2100-01-01", "--json")
    assert [item["id"] for item in found] == [item["id"] for item in everything]
    agent = everything[0]["agentId"]
    own = installation.lines("search", "--from", "2000-01-01", "--to", "2100-01-01", "--agent", agent, "--json")
    assert {item["agentId"] for item in own} == {agent}
    assert everything[0]["id"] in installation.ok("search", "--from", "2000-01-01", "--to", "2100-01-01")
    nothing = installation.command("search", "--from", "1999-01-01", "--to", "1999-01-02")
    assert nothing.returncode == 0 and "no matching recordings" in nothing.stderr
    [entry] = [entry for entry in installation.audit("--what", "search") if entry["count"] == len(everything)][:1]
    assert entry["actor"]["kind"] == "operator"


def test_list_and_show_work_with_and_without_a_running_server(installation):
    installation.ok("ingest", "codec-pcm-stereo", "restricted-01")
    table = installation.ok("list")
    assert "codec-pcm-stereo" in table and "restricted-01" in table and table.startswith("ID")
    only = json.loads(installation.ok("list", "codec-pcm-stereo", "--json"))["recordings"]
    assert [row["id"] for row in only] == ["codec-pcm-stereo"]
    assert len(json.loads(installation.ok("list", "--limit", "1", "--json"))["recordings"]) == 1
    facts = installation.ok("show", "codec-pcm-stereo")
    assert "sha256" in facts and "conversion" in facts and "pcm" in facts.lower()
    missing = installation.command("show", "no-such-recording")
    assert (missing.returncode, missing.stdout) == (6, "")
    entries = installation.audit()
    assert {"ingest", "archive", "list", "view", "read_log"} <= {entry["action"] for entry in entries} | {"read_log"}
    denied = installation.audit("--outcome", "denied")
    assert denied == []


@pytest.fixture
def thousand(make_server):
    """A data directory with 1,203 recordings of 13 agents."""
    server = make_server(start=False)
    server.ok("init", "--empty")
    server.ok("migrate", "up")
    with contextlib.closing(sqlite3.connect(server.data.path / "catalog.sqlite")) as catalog, catalog:
        for number in range(1_203):
            agent = "Zoë Müller" if number % 13 == 0 else f"Agent {number % 13}"
            catalog.execute(
                "INSERT INTO recording (source, platform_id, platform_status, privacy, started_at, agent_name,"
                " to_address, metadata, first_seen_at, words, address_words)"
                " VALUES ('default', ?, 'available', 'standard', ?, ?, '+12125550195', '{}', 0, ?, '')",
                (f"call-{number}", number, agent, f"call {number}"))
        catalog.execute("INSERT INTO agent_name SELECT DISTINCT agent_name, lower(agent_name) FROM recording")
        catalog.execute("UPDATE agent_name SET words = 'zoe muller' WHERE name LIKE 'Zo%'")
    return server


def test_whole_lists_are_printed_and_exported(thousand):
    some = thousand.command("list")
    assert len(some.stdout.splitlines()) == 101 and "There are more" in some.stderr
    everything = thousand.command("list", "--all")
    lines = everything.stdout.splitlines()
    assert len(lines) == 1_204 and everything.stderr == ""
    assert [line.split()[0] for line in lines] == ["ID"] + [f"call-{number}" for number in reversed(range(1_203))]
    assert [row["id"] for row in thousand.lines("list", "--all", "--json")] == [line.split()[0] for line in lines[1:]]

    rows = list(csv.DictReader(io.StringIO(thousand.ok("list", "--csv", "--agent", "zoe mul"), newline="")))
    assert [row["id"] for row in rows] == [f"call-{number}" for number in reversed(range(0, 1_203, 13))]
    assert {(row["agentName"], row["toAddress"]) for row in rows} == {("Zoë Müller", "'+12125550195")}
    for arguments in (["list", "nothing-like-this"], ["list", "--all", "--agent", "nothing-like-this"],
                      ["audit", "list", "--who", "stranger"], ["audit", "list", "--all", "--who", "stranger"]):
        empty = thousand.command(*arguments)
        assert (empty.returncode, empty.stdout) == (0, ""), empty
        expected = "No account or token is named 'stranger'." if "stranger" in arguments else "No recordings match."
        assert empty.stderr == f"{expected}\n"
    assert thousand.command("list", "nothing-like-this", "--quiet").stderr == ""


def test_the_whole_access_log_is_printed_and_exported(thousand):
    for _ in range(3):
        thousand.ok("list", "--limit", "1")
    entries = list(csv.DictReader(io.StringIO(thousand.ok("audit", "list", "--csv", "--what", "list"), newline="")))
    assert len(entries) == 3 and {entry["details"] for entry in entries} == {"limit=1"}
    lines = thousand.lines("audit", "list", "--all", "--json")
    assert [line["action"] for line in lines] == ["export", "list", "list", "list"]
    assert lines[0]["details"] == {"list": "access log", "what": "list"}
    table = thousand.ok("audit", "list", "--all").splitlines()
    assert table[0].split()[-1] == "DETAILS" and any("1 result, limit=1" in line for line in table)
    more = "There are more rows. Narrow the search, raise --limit or use --all."
    for arguments, lines in ((["audit", "list"], 3), (["audit", "list", "--json"], 2), (["list"], 3)):
        limited = thousand.command(*arguments, "--limit", "2")
        assert len(limited.stdout.splitlines()) == lines and more in limited.stderr, limited


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_the_terminal(thousand, width):
    thousand.ok("list", "long words " * 9)
    thousand.ok("list", "--all")
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        [BINARY, "audit", "list"], cwd=thousand.folder, env=environment(thousand.settings), stdout=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # On Linux, the other end is closed.
        while chunk := os.read(controller, 65_536):
            shown += chunk
    os.close(controller)
    assert process.wait(PATIENCE) == 0
    lines = shown.decode().splitlines()
    assert "TIME" in lines[0] and (width < 80 or lines[0].endswith("DETAILS")) and len(lines) > 3
    assert max(len(line) for line in lines) <= width, lines


def test_a_mistyped_command_is_suggested(folder):
    done = command(folder, "lst")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Unknown command 'lst'. Did you mean 'list'?" in done.stderr
    refused = command(folder, "demo", "--data-dir", "elsewhere")
    assert refused.returncode == 2 and "tapedeck-demo" in refused.stderr and list(folder.iterdir()) == []


def test_the_access_log_can_be_filtered(server):
    server.supervisor.ingest("codec-pcm-mono")
    server.agent.ingest("codec-gsm")
    server.agent.get("/audio/codec-pcm-mono.mp3")
    server.agent.get("/api/v1/audit")
    by_agent = server.audit("--who", "test agent")
    assert {entry["actor"]["name"] for entry in by_agent} == {"test agent"}
    assert [entry["action"] for entry in by_agent] == ["read_log", "listen", "ingest"]
    assert server.audit("--recording", "codec-gsm", "--what", "ingest")[0]["actor"]["name"] == "test agent"
    assert [entry["action"] for entry in server.audit("--outcome", "denied")] == ["read_log"]
    assert server.audit("--from", "2100-01-01") == []
    assert len(server.lines("audit", "list", "--json", "--limit", "1")) == 1
    numbers = [entry["number"] for entry in server.audit()]
    assert numbers == sorted(numbers, reverse=True)
    assert server.command("audit", "list", "--what", "nonsense").returncode == 2
    text = server.ok("audit", "list")
    assert text.startswith("ENTRY") and "test agent" in text


def test_anonymous_requests_are_counted_in_the_access_log(server):
    for _ in range(7):
        server.anonymous.get("/api/v1/recordings")

    # They are written every few seconds, so they may be in two entries.
    def all_counted():
        entries = server.audit("--what", "anonymous")
        return sum(entry["count"] for entry in entries) == 7 and entries

    entries = eventually(all_counted)
    assert len(entries) <= 2 and {entry["outcome"] for entry in entries} == {"denied"}


def test_doctor_passes_for_a_working_installation(installation):
    done = installation.command("doctor", "--json")
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done
    assert all(finding["ok"] for finding in findings)
    checks = " ".join(finding["check"] for finding in findings)
    for part in ("Settings", "Token", "recording:read", "recording:download", "Transcoder", "Conversion",
                 "Data directory", "Disk space"):
        assert part in checks
    assert [finding["number"] for finding in findings] == list(range(1, len(findings) + 1))
    assert installation.ok("doctor").count("ok  ") == len(findings)


def failures(done) -> dict[str, dict]:
    assert done.returncode == 1, done
    found = {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())
             if not finding["ok"] and not finding.get("skipped")}
    assert all(finding["remedy"] and finding["message"] for finding in found.values())
    return found


def test_doctor_names_each_failure_with_its_remedy(folder, sandbox):
    found = failures(command(folder, "doctor", "--json", settings={}))
    assert "CXONE_" in found["Settings"]["message"]

    wrong = sandbox.settings | {"CXONE_CLIENT_SECRET": "canary"}
    found = failures(command(folder, "doctor", "--json", settings=wrong))
    assert "CXONE_CLIENT_SECRET" in found["Token of source 'default'"]["remedy"]

    sandbox.fault("server-error", endpoint="token", status=503)
    found = failures(command(folder, "doctor", "--json", settings=sandbox.settings))
    assert "CXONE_BASE_URL" in found["Token of source 'default'"]["remedy"]
    sandbox.clear_faults()

    blocked = folder / "file"
    blocked.write_text("")
    found = failures(command(
        folder, "doctor", "--json", settings=sandbox.settings | {"TAPEDECK_DATA_DIR": str(blocked / "data")}))
    assert "TAPEDECK_DATA_DIR" in found["Data directory"]["remedy"]

    text = command(folder, "doctor", settings=wrong)
    assert text.returncode == 1 and "FAIL" in text.stdout and "canary" not in text.stdout + text.stderr
    assert not (folder / "tapedeck-data").exists(), "doctor changes nothing"


@pytest.mark.parametrize("endpoint, scope", [("search", "recording:read"), ("download", "recording:download")])
def test_doctor_names_the_missing_scope(folder, sandbox, endpoint, scope):
    sandbox.fault("scope-missing", endpoint=endpoint)
    found = failures(command(folder, "doctor", "--json", settings=sandbox.settings))
    assert list(found) == [f"Scope {scope} of source 'default'"]
    assert scope in found[f"Scope {scope} of source 'default'"]["remedy"]
    sent = sum(entry["bytesSent"] for entry in sandbox.statistics()["recent"])
    assert sent < 1_000_000, "it downloads no complete recording"


def test_settings_come_from_flags_then_environment_then_dotenv_then_yaml(folder):
    def data_directory(*flags, **settings):
        done = command(folder, "init", "--empty", *flags, settings=settings)
        assert done.returncode == 0, done
        return done.stderr.strip()

    assert data_directory().endswith(f"{folder}/tapedeck-data.")
    (folder / "tapedeck.yaml").write_text("tapedeck:\n  dataDir: from-yaml\n")
    assert data_directory().endswith(f"{folder}/from-yaml.")
    (folder / ".env").write_text("# a comment\nexport TAPEDECK_DATA_DIR='from-dotenv' # another\n")
    assert data_directory().endswith(f"{folder}/from-dotenv.")
    assert data_directory(TAPEDECK_DATA_DIR="from-environment").endswith(f"{folder}/from-environment.")
    assert data_directory("--data-dir", "from-flag", TAPEDECK_DATA_DIR="x").endswith(f"{folder}/from-flag.")
    (folder / "other.yaml").write_text("tapedeck:\n  dataDir: from-other\n")
    (folder / ".env").unlink()
    assert data_directory("--config", "other.yaml").endswith(f"{folder}/from-other.")
    assert command(folder, "init", "--empty", "--config", "missing.yaml").returncode == 12
    (folder / "tapedeck.yaml").write_text("tapedeck: [broken\n")
    assert command(folder, "init", "--empty").returncode == 12


def test_a_secret_can_come_from_a_file(folder, sandbox):
    (folder / "secret").write_text(sandbox.settings["CXONE_CLIENT_SECRET"] + "\n")
    (folder / "tapedeck.yaml").write_text("cxone:\n  clientSecret: outdated\n")
    named = {name: value for name, value in sandbox.settings.items() if name != "CXONE_CLIENT_SECRET"}
    named["CXONE_CLIENT_SECRET_FILE"] = str(folder / "secret")
    assert command(folder, "doctor", "--json", settings=named).returncode == 0
    (folder / "secret").write_text("\n")
    found = failures(command(folder, "doctor", "--json", settings=named))
    assert "CXONE_CLIENT_SECRET_FILE names a file that is empty" in found["Settings"]["message"]


def test_settings_that_cannot_be_read_are_an_error(folder, sandbox):
    (folder / ".env").write_bytes(b"CXONE_RATE=\xff\xfe\n")
    done = command(folder, "init", "--empty", settings=sandbox.settings)
    assert done.returncode == 12 and f"{folder}/.env cannot be read" in done.stderr, done
    assert not (folder / "tapedeck-data").exists()


def test_a_command_needs_no_platform_settings_while_a_server_runs(make_server):
    # The sync lists all calls but archives none: converting them takes minutes on a busy machine.
    server = make_server(CXONE_SYNC_AGENTS="agent-without-calls")
    bare = {"TAPEDECK_DATA_DIR": str(server.data.path)}
    day = ["--from", "2026-11-01", "--to", "2026-11-02"]
    for arguments in (["ingest", "codec-gsm"], ["search", *day], ["sync"], ["verify", "--all"]):
        done = command(server.folder, *arguments, settings=bare)
        assert done.returncode == 0, done
    # A server that stops while it archives leaves files that the catalog does not know yet.
    eventually(lambda: not server.data.rows("SELECT 1 FROM job WHERE run_state NOT IN ('done', 'failed', 'cancelled')"))
    assert server.terminate() == 0
    for arguments in (["ingest", "codec-gsm"], ["search", *day], ["sync"]):
        done = command(server.folder, *arguments, settings=bare)
        assert done.returncode == 12 and "CXONE_" in done.stderr, done
    assert command(server.folder, "verify", "--all", "--no-repair", settings=bare).returncode == 0
    # Without a platform, damage is reported and nothing is changed; incomplete settings are an error.
    done = command(server.folder, "verify", "--all", settings=bare)
    assert done.returncode == 0 and "damage is reported and not repaired" in done.stderr, done
    [path] = [path for path in (server.data.path / "objects").rglob("*.mp3")]
    os.truncate(path, 1)
    jobs = server.data.rows("SELECT id, run_state, requested_by FROM job")
    done = command(server.folder, "verify", "--all", settings=bare)
    assert done.returncode == 7 and path.stat().st_size == 1, done
    assert server.data.rows("SELECT id, run_state, requested_by FROM job") == jobs
    done = command(server.folder, "verify", "--all", settings=bare | {"CXONE_CLIENT_ID": "x"})
    assert done.returncode == 12 and "CXONE_BASE_URL" in done.stderr, done


def test_without_settings_of_its_platform_no_job_is_changed(make_server, sandbox):
    server = make_server()
    sandbox.fault("slow", "codec-pcm-stereo", bytesPerSecond=20_000)
    server.supervisor.start("codec-pcm-stereo")
    eventually(lambda: server.data.rows("SELECT 1 FROM job_part WHERE bytes > 0"))
    server.kill()
    before = server.data.rows("SELECT stage, bytes FROM job JOIN job_part ON job_id = id")
    other = {"TAPEDECK_DATA_DIR": str(server.data.path), "TAPEDECK_SOURCES": "west"} | {
        f"SOURCE_WEST_{name.removeprefix('CXONE_')}": value for name, value in sandbox.settings.items()
        if name.startswith("CXONE_")}
    done = command(server.folder, "verify", "--all", settings=other)
    assert done.returncode == 0, done
    assert server.data.rows("SELECT stage, bytes FROM job JOIN job_part ON job_id = id") == before
    assert server.data.rows("SELECT run_state FROM job") == [{"run_state": "idle"}]
    sandbox.clear_faults()
    server.start()
    assert server.supervisor.ingest("codec-pcm-stereo").status == 200


def test_control_characters_from_the_platform_do_not_reach_the_terminal(server):
    assert server.supervisor.ingest("codec-gsm").status == 200
    name = "A\x1b]0;gone\x07\u009b2J\u202eB\r\nforged  ready\tC"
    with contextlib.closing(sqlite3.connect(server.data.path / "catalog.sqlite", timeout=10)) as catalog, catalog:
        catalog.execute("UPDATE recording SET agent_name = ?", (name,))
    for arguments in (["list"], ["show", "codec-gsm"]):
        text = server.ok(*arguments)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), ascii(text)
        [line] = [line for line in text.splitlines() if "forged" in line]
        assert "gone" in line and "C" in line
    assert json.loads(server.ok("list", "--json"))["recordings"][0]["agentName"] == name


def test_a_closed_or_full_output_does_not_crash_a_command(server):
    for id in ("codec-gsm", "codec-pcm-mono"):
        assert server.supervisor.ingest(id).status == 200
    run = f"{BINARY} audit list --json --data-dir '{server.data.path}'"
    done = subprocess.run(["bash", "-c", f"{run} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n", ""), done
    done = subprocess.run(["bash", "-c", f"{run} >/dev/full"], capture_output=True, text=True)
    assert done.returncode == 1 and "No space left on device" in done.stderr, done


class Terminal:
    """Runs a command in a pseudo-terminal. `typed` has the line to type for each prompt; `interrupted_at` is the text at
    which the command gets SIGINT."""

    def __init__(self, server, *arguments: str, typed: dict[str, str] | None = None, width: int = 80,
                 interrupted_at: str | None = None):
        controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        process = subprocess.Popen(
            [BINARY, *arguments], cwd=server.folder, env=environment(server.settings) | {"TERM": "xterm"},
            stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True)
        os.close(terminal)
        self.shown = ""
        waiting = dict(typed or {})
        try:
            while chunk := os.read(controller, 65_536):
                self.shown += chunk.decode(errors="replace")
                for question, answer in list(waiting.items()):
                    if question in self.shown:
                        os.write(controller, (waiting.pop(question) + "\n").encode())
                if interrupted_at and interrupted_at in self.shown:
                    process.send_signal(signal.SIGINT)
                    interrupted_at = None
        except OSError:
            pass  # On Linux, the other end is closed.
        os.close(controller)
        self.stdout = process.stdout.read().decode()
        process.stdout.close()
        self.returncode = process.wait(PATIENCE)

    @property
    def screen(self) -> list[str]:
        """The lines that remain on the terminal."""
        lines, row = [""], 0
        for text, up, erase in re.findall(r"([^\x1b\n]+|\n)|\x1b\[(\d+)A|\x1b\[(J)", self.shown.replace("\r\n", "\n")):
            if up:
                row -= int(up)
                assert row >= 0, "the cursor leaves the screen"
            elif erase:
                lines[row:] = [""]
            elif text == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            else:
                lines[row] += text
        return lines


@pytest.mark.parametrize("width", [80, 44])
def test_progress_never_overwrites_errors_and_failures_are_repeated(server, sandbox, width):
    sandbox.fault("slow", "codec-pcm-mono", bytesPerSecond=60_000)
    terminal = Terminal(server, "ingest", "codec-pcm-mono", "failed-01", "no-such-recording", width=width)
    assert terminal.returncode == 3 and terminal.stdout == ""
    screen = terminal.screen
    for id in ("failed-01", "no-such-recording"):
        assert len([line for line in screen if line.strip().startswith(f"{id}: ")]) == 2, screen
    assert "Not archived:" in screen and "1 of 3 recordings archived, 2 failed." in screen
    assert not any("█" in line or "░" in line or " done" in line for line in screen), screen
    assert "codec-pcm-mono" in terminal.shown
    if width == 80:
        assert re.search(r"[23] of 3 done, 2 failed · 0\.\d MB · 0\.\d MB/s · about 0:\d\d left", terminal.shown), screen


def test_an_interrupted_command_says_at_once_that_it_stops(make_server, sandbox):
    server = make_server(start=False)
    server.ok("init", "--empty")
    sandbox.fault("slow", "codec-pcm-mono", bytesPerSecond=10_000)
    terminal = Terminal(server, "ingest", "codec-pcm-mono", interrupted_at="codec-pcm-mono")
    assert terminal.returncode == 130
    assert "Stopping…" in terminal.screen
    assert terminal.screen.index("Stopping…") < next(n for n, line in enumerate(terminal.screen) if "tapedeck: " in line)
    assert not any("░" in line for line in terminal.screen)


def test_a_terminal_shows_progress_bars(server, sandbox):
    sandbox.fault("slow", "codec-pcm-mono", bytesPerSecond=40_000)
    terminal = Terminal(server, "ingest", "codec-pcm-mono")
    assert terminal.returncode == 0 and terminal.stdout == ""
    assert "█" in terminal.shown and "░" in terminal.shown and "codec-pcm-mono" in terminal.shown
    assert "1 of 1 recording archived, 0 failed." in terminal.shown


def test_a_password_is_prompted_for_twice_and_not_shown(server):
    terminal = Terminal(
        server, "user", "add", "ann", "--role", "agent",
        typed={"Password: ": "a good password", "Repeat password: ": "a good password"})
    assert terminal.returncode == 0, terminal.shown
    assert "a good password" not in terminal.shown
    assert sign_in_reply(server.url, "ann", "a good password").status == 303
    differing = Terminal(
        server, "user", "add", "bob", "--role", "agent",
        typed={"Password: ": "a good password", "Repeat password: ": "another password"})
    assert differing.returncode == 2 and "differ" in differing.shown


def test_a_demo_works_in_its_own_folder_with_new_passwords(folder, sandbox):
    done = command(folder, "demo", "--once", "--calls", "1", "--listen", "127.0.0.1:0")
    assert done.returncode == 0, done
    assert re.search(r"^Open +http://127\.0\.0\.1:\d+$", done.stdout, re.M)
    passwords = re.findall(r"password (\S+)", done.stdout)
    assert len(set(passwords)) == 2 and all(len(password) >= 10 for password in passwords)
    refused = command(folder, "serve", "--data-dir", "tapedeck-demo", settings=sandbox.settings)
    assert refused.returncode == 12 and "demo" in refused.stderr
    assert "ready" in command(folder, "list", "--data-dir", "tapedeck-demo").stdout

    again = command(folder, "demo", "--once", "--calls", "1", "--listen", "127.0.0.1:0")
    assert again.returncode == 0
    assert not set(re.findall(r"password (\S+)", again.stdout)) & set(passwords), "new ones each time"

    mine = folder / "mine"
    (mine / "tapedeck-demo").mkdir(parents=True)
    (mine / "tapedeck-demo" / "precious").write_text("")
    assert command(mine, "demo", "--once").returncode == 12
    assert (mine / "tapedeck-demo" / "precious").exists()


def test_several_sources_can_be_configured(make_server, sandbox, folder):
    other = Sandbox(folder, "--seed", "7")
    try:
        server = make_server(
            TAPEDECK_SOURCES="branch", SOURCE_BRANCH_BASE_URL=other.base, SOURCE_BRANCH_CLIENT_ID="sandbox-client",
            SOURCE_BRANCH_CLIENT_SECRET="sandbox-secret")
        assert server.supervisor.ingest("codec-gsm").status == 200
        reply = server.supervisor.request("POST", "/ingest/branch~codec-gsm")
        assert reply.json() == {"status": "ready", "player_url": "/play/branch~codec-gsm"}
        assert server.supervisor.get("/audio/branch~codec-gsm/original").body == other.file("codec-gsm")
        assert server.supervisor.get("/audio/codec-gsm/original").body == sandbox.file("codec-gsm")
        assert json.loads(server.ok("show", "codec-gsm", "--source", "branch", "--json"))["source"] == "branch"
        [line] = server.lines("ingest", "codec-adpcm", "--source", "branch", "--json")
        assert line["playerUrl"] == "/play/branch~codec-adpcm"
    finally:
        other.kill()


def test_a_platform_that_refuses_or_fails_has_its_own_exit_code(make_server, sandbox):
    span = ["--from", "2026-01-01", "--to", "2026-01-02"]
    refused = make_server(start=False, CXONE_CLIENT_SECRET="wrong")
    refused.ok("init", "--empty")
    assert refused.command("search", *span).returncode == 4
    sandbox.fault("server-error", endpoint="search", status=503)
    failing = make_server()
    done = failing.command("search", *span)
    assert (done.returncode, done.stdout) == (5, "") and done.stderr


@pytest.fixture
def long_list(make_server, folder):
    """A server whose tenant lists more than a page of calls, and a way to run a command whose second page fails."""
    tenant = Sandbox(folder, "--calls", "700")
    server = make_server(**tenant.settings)

    def run(*arguments: str) -> subprocess.CompletedProcess:
        tenant.forget_requests()
        # The rule that is added while the first page waits applies from the second page on.
        tenant.fault("delayed", endpoint="search", delay=4, times=1)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = pool.submit(server.command, *arguments)
            eventually(lambda: tenant.statistics()["endpoints"].get("search"))
            tenant.fault("server-error", endpoint="search", status=503)
            done = running.result()
        tenant.clear_faults()
        return done

    yield server, run
    tenant.kill()


def test_rows_before_an_error_of_the_list_are_shown_and_nothing_is_archived(long_list):
    server, run = long_list
    span = ["--from", "2000-01-01", "--to", "2100-01-01"]
    table = run("search", *span)
    assert table.returncode == 5 and len(table.stdout.splitlines()) == 501, table
    assert "The list is incomplete: it ended after 500 recordings." in table.stderr
    lines = run("search", *span, "--json")
    assert lines.returncode == 5 and len([json.loads(line) for line in lines.stdout.splitlines()]) == 500
    done = run("ingest", *span)
    assert (done.returncode, done.stdout) == (5, ""), done
    assert "ended early, after 500 recordings. Nothing was archived." in done.stderr
    assert server.data.rows("SELECT 1 FROM job") == []


def test_listening_beyond_loopback_requires_tls(folder, sandbox):
    done = command(folder, "serve", settings=sandbox.settings | {"TAPEDECK_LISTEN": "0.0.0.0:0"})
    assert done.returncode == 12 and "TAPEDECK_LISTEN" in done.stderr and "TAPEDECK_PUBLIC_URL" in done.stderr


def test_a_port_in_use_is_reported(make_server, server):
    second = make_server(start=False, TAPEDECK_LISTEN=server.url.removeprefix("http://"))
    done = second.command("serve")
    assert done.returncode == 12 and "TAPEDECK_LISTEN" in done.stderr and "taken" in done.stderr


def test_a_platform_beyond_loopback_requires_https(folder, sandbox):
    settings = sandbox.settings | {"CXONE_BASE_URL": "http://platform.example"}
    done = command(folder, "serve", settings=settings)
    assert done.returncode == 12 and "CXONE_BASE_URL" in done.stderr and "https" in done.stderr


def test_a_damaged_catalog_is_reported_without_a_crash(make_server):
    server = make_server(start=False)
    server.ok("init", "--empty")
    (server.data.path / "catalog.sqlite").write_bytes(b"not a database" * 1000)
    for arguments in (["serve"], ["list"]):
        done = server.command(*arguments)
        assert done.returncode == 1, done
        assert "catalog" in done.stderr.lower()


def test_the_sandbox_listens_on_loopback_only_and_refuses_browsers(sandbox):
    assert sandbox.base.startswith("http://127.0.0.1:")
    reply = request(sandbox.base, "POST", "/sandbox/faults", {"Origin": "https://evil.example"}, '{"fault": "gone"}')
    assert reply.status == 403
    assert sandbox.faults() == []


def test_other_users_cannot_open_the_command_socket(server):
    socket = server.data.path / "tapedeck.sock"
    eventually(socket.exists)
    # The program sets the mode after it has created the socket, which others cannot open before either.
    assert socket.stat().st_mode & 0o077 == 0
    eventually(lambda: socket.stat().st_mode & 0o777 == 0o600)
    assert server.terminate() == 0
    assert not socket.exists()


def test_an_interrupted_command_ends_and_the_server_finishes_the_job(server, sandbox):
    id = "bench-3min-01"
    sandbox.fault("slow", id, bytesPerSecond=5_000)
    with subprocess.Popen(
        [BINARY, "ingest", id], cwd=server.folder, env=environment(server.settings),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ingest:
        eventually(lambda: (server.data.job(id) or {}).get("bytes", 0) > 0)
        ingest.send_signal(2)
        assert ingest.wait(PATIENCE) in (130, -2)
    assert server.data.part(id) is None, "the command did not wait for the job"
    sandbox.clear_faults()
    eventually(lambda: server.data.part(id))
    server.data.assert_tidy()
