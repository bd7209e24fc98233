"""Backup and restore with the commands of docs/operations.md, exactly as documented."""

import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess

from cluster import SHORT_LEASE, Cluster
from programs import BINARY, Client, Server, environment
from waiting import eventually

OPERATIONS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operations.md"
IDS = ["codec-gsm", "codec-pcm-stereo", "restricted-01"]


def documented(title: str) -> str:
    """The commands of a marked block."""
    found = re.search(rf"<!-- run: {re.escape(title)} -->\n```sh\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)
    assert found, f"docs/operations.md has no block '{title}'"
    return found[1]


def run(title: str, folder: pathlib.Path, settings: dict[str, str]) -> None:
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    if not (programs / "tapedeck").exists():
        (programs / "tapedeck").symlink_to(BINARY)
    env = environment(settings)
    env["PATH"] = f"{programs}:{env['PATH']}"
    done = subprocess.run(["bash", "-euc", documented(title)], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done


def test_a_backup_of_one_machine_restores_recordings_tokens_and_log(server, folder, sandbox):
    for id in IDS:
        assert server.supervisor.ingest(id).status == 200
    played = {id: server.supervisor.get(f"/audio/{id}.mp3").body for id in IDS}
    entries = len(server.audit())
    backup = folder / "backup"
    backup.mkdir()
    settings_file = folder / "tapedeck.env"
    settings_file.write_text("CXONE_CLIENT_SECRET=x\n")
    run("back up one machine", folder, {
        "TAPEDECK_DATA_DIR": str(server.data.path), "BACKUP": str(backup), "SETTINGS": str(settings_file)})
    assert (backup / "tapedeck.env").read_text() == settings_file.read_text()

    readable = [path for path in backup.rglob("*") if path.stat().st_mode & 0o077]
    assert not readable, "others can read the backup"

    # All data is lost, and the platform no longer has the recordings.
    server.kill()
    shutil.rmtree(server.data.path)
    for id in IDS:
        sandbox.fault("gone", id)
    restored = Server(folder / "restored", server.settings)
    settings = restored.settings | {"TAPEDECK_DATA_DIR": str(restored.data.path), "BACKUP": str(backup)}
    run("restore one machine", folder, settings)
    restored.start()
    try:
        client = Client(restored.url, server.token("supervisor"))
        assert {id: client.get(f"/audio/{id}.mp3").body for id in IDS} == played
        assert len(restored.audit()) >= entries
        restored.data.assert_tidy()
    finally:
        restored.end()


def test_a_dump_and_a_copy_of_the_bucket_restore_an_installation_of_several_nodes(folder, backing, sandbox):
    first, second = folder / "first", folder / "second"
    first.mkdir(), second.mkdir()
    cluster = Cluster(first, backing, sandbox, {}, workers=1)
    backup = folder / "backup"
    backup.mkdir()
    try:
        for id in IDS:
            assert cluster.client().ingest(id).status == 200
        played = {id: cluster.client().get(f"/audio/{id}.mp3").body for id in IDS}
        run("back up the shared database", folder, {"TAPEDECK_DATABASE_URL": cluster.database.url,
                                                    "BACKUP": str(backup)})
        copied = cluster.bucket.objects()
        token = cluster.token
    finally:
        cluster.end()

    # A catalog remembers the name of its bucket.
    database, bucket = backing.postgresql.make_database(), backing.s3.make_bucket(cluster.bucket.name)
    for name, body in copied.items():
        bucket.put(name, body)
    settings = sandbox.settings | SHORT_LEASE | bucket.settings | {"TAPEDECK_DATABASE_URL": database.url}
    server = Server(second / "server", settings)
    run("restore the shared database", folder, server.settings | {
        "BACKUP": str(backup), "TAPEDECK_DATA_DIR": str(server.data.path)})
    server.start()
    try:
        client = Client(server.url, token)
        assert {id: client.get(f"/audio/{id}.mp3").body for id in IDS} == played
    finally:
        server.end()


def test_an_installation_moves_from_one_machine_to_postgresql_and_s3(server, backing):
    for id in IDS:
        assert server.supervisor.ingest(id).status == 200
    played = {id: server.supervisor.get(f"/audio/{id}.mp3").body for id in IDS}
    token = server.token("supervisor")
    assert server.terminate() == 0
    database, bucket = backing.postgresql.make_database(), backing.s3.make_bucket()
    server.settings |= bucket.settings | {"TAPEDECK_DATABASE_URL": database.url}
    for command in (["db", "copy"], ["storage", "copy"], ["verify", "--all"]):
        done = server.command(*command)
        assert done.returncode == 0, done
    again = server.command("db", "copy")
    assert again.returncode != 0 and "Use an empty database" in again.stderr, again
    shutil.rmtree(server.data.path / "objects")
    os.remove(server.data.path / "catalog.sqlite")
    server.start()
    client = Client(server.url, token)
    assert {id: client.get(f"/audio/{id}.mp3").body for id in IDS} == played
    eventually(lambda: client.ingest("codec-pcm-mono").status == 200)


def test_objects_are_copied_to_a_bucket_only_with_the_catalog_that_has_them(make_server, backing):
    server, other = make_server(), make_server()
    assert server.supervisor.ingest("codec-gsm").status == 200
    assert other.supervisor.ingest("codec-pcm-mono").status == 200
    assert server.terminate() == 0 and other.terminate() == 0
    bucket = backing.s3.make_bucket()
    server.settings |= bucket.settings
    catalog = server.data.path / "catalog.sqlite"
    kept = catalog.read_bytes()

    for file in server.data.path.glob("catalog.sqlite*"):
        file.unlink()
    lost = server.command("storage", "copy")
    assert lost.returncode == 12 and "restore it from a backup" in lost.stderr, lost
    assert not catalog.exists()

    shutil.copy(other.data.path / "catalog.sqlite", catalog)
    foreign = server.command("storage", "copy")
    assert foreign.returncode != 0 and "lacks most of the oldest recordings" in foreign.stderr, foreign

    for file in server.data.path.glob("catalog.sqlite*"):
        file.unlink()
    catalog.write_bytes(kept)
    server.settings["TAPEDECK_DATABASE_URL"] = backing.postgresql.make_database().url
    empty = server.command("storage", "copy")
    assert empty.returncode == 12 and "tapedeck db copy" in empty.stderr, empty

    assert not bucket.objects()
    del server.settings["TAPEDECK_DATABASE_URL"]
    server.ok("storage", "copy")
    assert set(bucket.objects()) == server.data.files("objects")


COMMANDS = [
    ("serve",), ("init",), ("list",), ("show", "codec-gsm"), ("sync",), ("user", "list"), ("token", "list"),
    ("migrate", "up"), ("verify", "--all"), ("audit", "list"),
    ("backfill", "start", "--from", "2026-11-01", "--to", "2026-11-02"),
]


def test_no_command_makes_a_new_catalog_beside_the_objects_of_a_lost_one(server):
    assert server.supervisor.ingest("codec-gsm").status == 200
    assert server.terminate() == 0
    catalog = server.data.path / "catalog.sqlite"
    kept = catalog.read_bytes()
    for file in server.data.path.glob("catalog.sqlite*"):
        file.unlink()
    objects = server.data.files("objects")
    for arguments in COMMANDS:
        done = server.command(*arguments)
        assert done.returncode == 12 and "restore it from a backup" in done.stderr, (arguments, done)
        assert not catalog.exists(), arguments
    assert server.data.files("objects") == objects
    catalog.write_bytes(kept)
    assert "codec-gsm" in server.ok("list")


def test_a_catalog_without_a_column_is_refused_at_the_start_and_by_doctor(server):
    assert server.terminate() == 0
    with contextlib.closing(sqlite3.connect(server.data.path / "catalog.sqlite")) as connection:
        connection.execute("ALTER TABLE recording DROP COLUMN warning")
        connection.commit()
    for arguments in (("serve",), ("doctor",), ("list",)):
        done = server.command(*arguments)
        assert done.returncode == 1 and "missing: recording.warning" in done.stdout + done.stderr, (arguments, done)
