"""Runs OpenStack Swift with its S3 API on one device until standard input ends.

Swift has no access key with some permissions of a bucket only, so both keys have all permissions.
"""

import getpass

import s3_service

SERVER = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
workers = 0
log_address = {folder}/no-log

[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}
"""

FILTERS = ["catch_errors", "gatekeeper", "cache", "listing_formats", "bulk", "s3api", "tempauth", "slo", "dlo"]
SETTINGS = {
    "cache": "memcache_servers = 127.0.0.1:{memory}",
    "s3api": f"location = {s3_service.REGION}",
    "tempauth": "user_tapedeck_tests = secret .admin",
}

PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {folder}
workers = 0
log_address = {folder}/no-log

[pipeline:main]
pipeline = {filters} proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""

#: Makes the ring of a kind of server with one device; `swift-ring-builder` takes seconds for each of its steps.
RINGS = """
import sys
from swift.common.ring import RingBuilder
for argument in sys.argv[1:]:
    kind, port = argument.split("=")
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1.0,
                     "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    builder.rebalance()
    builder.get_ring().save(f"{kind}.ring.gz")
"""

#: Runs one kind of server; Debian's programs read swift.conf only in /etc/swift.
RUN = """
import os, sys
from swift.common.utils import set_swift_dir
from swift.common.wsgi import run_wsgi
set_swift_dir(os.getcwd())
sys.exit(run_wsgi(os.path.abspath(f"{sys.argv[1]}.conf"), f"{sys.argv[1]}-server"))
"""


def start(service):
    kinds = ("account", "container", "object")
    ports = {kind: s3_service.free_port() for kind in (*kinds, "memory", "proxy")}
    (service.folder / "devices" / "d1").mkdir(parents=True)
    service.write("swift.conf", "[swift-hash]\nswift_hash_path_prefix = tests\nswift_hash_path_suffix = tests\n")
    service.run([s3_service.SYSTEM_PYTHON, str(service.write("rings.py", RINGS)),
                 *(f"{kind}={ports[kind]}" for kind in kinds)])
    service.start("memory", service.command(
        "memcached", "-l", "127.0.0.1", "-p", ports["memory"], "-u", getpass.getuser()))
    common = {"user": getpass.getuser(), "folder": service.folder}
    for kind in kinds:
        service.write(f"{kind}.conf", SERVER.format(kind=kind, port=ports[kind], **common))
    proxy = PROXY.format(port=ports["proxy"], filters=" ".join(FILTERS), **common)
    for name in FILTERS:
        use = "memcache" if name == "cache" else name
        settings = SETTINGS.get(name, "").format(memory=ports["memory"])
        proxy += f"\n[filter:{name}]\nuse = egg:swift#{use}\n{settings}\n"
    service.write("proxy.conf", proxy)
    program = str(service.write("run.py", RUN))
    for kind in (*kinds, "proxy"):
        service.start(kind, [s3_service.SYSTEM_PYTHON, program, kind])
    for port in ports.values():
        service.until_listening(port)
    endpoint = f"http://127.0.0.1:{ports['proxy']}"
    key = {"id": "tapedeck:tests", "secret": "secret"}
    s3_service.client(endpoint, key).create_bucket(
        Bucket=s3_service.BUCKET, CreateBucketConfiguration={"LocationConstraint": s3_service.REGION})
    return {"endpoint": endpoint, "key": key, "observer": key}


s3_service.serve(s3_service.Service("swift"), start)
