"""Runs a Ceph cluster with one monitor, one storage daemon in memory and the RADOS gateway until standard input ends.

Its argument is the document that lists the permissions of Tapedeck's access key. The first key has exactly these, by a
bucket policy; the second key owns the bucket.
"""

import json
import sys
import uuid

import s3_service

CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{monitor}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
public network = 127.0.0.0/8
ms bind ipv6 = false
run dir = {folder}
admin socket =
pid file =
crash dir = {folder}
log to file = false
keyring = {folder}/keyring
plugin dir = {libraries}/ceph
erasure code dir = {libraries}/ceph/erasure-code
osd class dir = {libraries}/rados-classes
mon data = {folder}/mon
mon data avail crit = 1
mon data avail warn = 1
mon allow pool size one = true
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8

[client.rgw]
rgw data = {folder}
rgw frontends = beast endpoint=127.0.0.1:{gateway}
rgw mime types file = /dev/null
"""


def start(service):
    monitor, gateway = s3_service.free_port(), s3_service.free_port()
    libraries = next(folder for folder in s3_service.library_folders() if (folder / "rados-classes").is_dir())
    fsid, disk = uuid.uuid4(), uuid.uuid4()
    for name in ("mon", "osd"):
        (service.folder / name).mkdir()
    service.environment["CEPH_CONF"] = str(service.write("ceph.conf", CONFIGURATION.format(
        fsid=fsid, monitor=monitor, gateway=gateway, folder=service.folder, libraries=libraries)))

    def run(*arguments):
        service.run(service.command(*arguments))

    run("ceph-authtool", "--create-keyring", "keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{monitor}]", "monitors")
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monitors", "--keyring", "keyring")
    service.start("monitor", service.command("ceph-mon", "-i", "a", "-f"))
    service.until_listening(monitor)
    run("ceph", "--connect-timeout", "120", "osd", "new", disk)
    run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
    service.start("osd", service.command("ceph-osd", "-i", "0", "-f"))
    service.start("gateway", service.command("radosgw", "-n", "client.rgw", "-f"))
    keys = {}
    for name in ("tapedeck", "observer"):
        keys[name] = {"id": f"{name}-key", "secret": uuid.uuid4().hex}
        run("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid", name, "--display-name", name,
            "--access-key", keys[name]["id"], "--secret", keys[name]["secret"])
    service.until_listening(gateway)

    endpoint = f"http://127.0.0.1:{gateway}"
    owner = s3_service.client(endpoint, keys["observer"], region="default")
    owner.create_bucket(Bucket=s3_service.BUCKET)
    policy = s3_service.documented_policy(sys.argv[1], "arn:aws:iam:::user/tapedeck")
    owner.put_bucket_policy(Bucket=s3_service.BUCKET, Policy=json.dumps(policy))
    return {"endpoint": endpoint, "key": keys["tapedeck"], "observer": keys["observer"]}


s3_service.serve(s3_service.Service("ceph"), start)
