"""What the programs that run an S3 service for the tests share: their packages, processes and ports.

`scripts/bootstrap --for stores` extracts Debian's packages of the services into `.build/store-services`; nothing is
installed. Each service has its data in a temporary folder, listens on loopback only, and needs no root.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import boto3
import botocore.config

BUCKET, PREFIX, REGION = "recordings", "tapedeck", "eu-central-1"
PACKAGES = pathlib.Path(__file__).resolve().parents[3] / ".build" / "store-services"
#: The interpreter that Debian's Python packages belong to.
SYSTEM_PYTHON = "/usr/bin/python3"
_PR_SET_PDEATHSIG = 1


def documented_policy(path, principal=None):
    """The permissions of Tapedeck's access key, from the only policy in a document."""
    blocks = re.findall(r"```json\n(.*?)```", pathlib.Path(path).read_text(encoding="utf-8"), re.DOTALL)
    (policy,) = [block for block in blocks if '"Statement"' in block]
    policy = json.loads(policy.replace("BUCKET", BUCKET).replace("PREFIX", PREFIX))
    if principal:
        for statement in policy["Statement"]:
            statement["Principal"] = {"AWS": [principal]}
    return policy


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def library_folders():
    """The folders of the extracted libraries, and Debian's, in case that a package is installed."""
    roots = [PACKAGES / "root", pathlib.Path("/")]
    folders = [folder for root in roots for base in ("usr/lib", "lib") for folder in (root / base).glob("*-linux-gnu")]
    return folders + [folder / "ceph" for folder in folders if (folder / "ceph").is_dir()]


def program(name):
    for folder in (PACKAGES / "root/usr/bin", pathlib.Path("/usr/bin")):
        if (folder / name).exists():
            return str(folder / name)
    sys.exit(f"{name} is missing. 'scripts/bootstrap --for stores' prepares it.")


def _end_with_parent():
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Service:
    """The processes of one service and the folder with their data."""

    def __init__(self, name):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"tapedeck-{name}-"))
        self.processes = []
        # Python packages of .venv must not be mixed with Debian's.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.environment["LD_LIBRARY_PATH"] = ":".join(map(str, library_folders()))
        self.environment["PYTHONPATH"] = str(PACKAGES / "root/usr/lib/python3/dist-packages")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def command(self, name, *arguments):
        """The command of one of the extracted programs; scripts run with Debian's Python."""
        path = program(name)
        with open(path, "rb") as file:
            first = file.readline(100)
        return [*([SYSTEM_PYTHON] if first.startswith(b"#!") and b"python" in first else []), path, *map(str, arguments)]

    def run(self, command):
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            preexec_fn=_end_with_parent, timeout=240)
        if done.returncode != 0:
            raise RuntimeError(f"{command} ended with status {done.returncode}: {done.stdout.decode(errors='replace')}")

    def start(self, name, command):
        with open(self.folder / f"{name}.out", "wb") as output:
            self.processes.append(subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, preexec_fn=_end_with_parent))

    def until_listening(self, port, seconds=180):
        """Waits until a process accepts connections; fails when one of the service ends before."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                return
            ended = [process.args for process in self.processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = [path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.out")]
                raise RuntimeError("\n".join([f"ended: {ended}", *logs]))
            time.sleep(0.1)

    def stop(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def client(endpoint, key, region=REGION):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name=region, aws_access_key_id=key["id"], aws_secret_access_key=key["secret"],
        config=botocore.config.Config(s3={"addressing_style": "path"}))


def serve(service, start):
    """Starts a service, prints its facts as one line of JSON and stops it when standard input ends."""
    # Swift's test process blocks signals, which children inherit; ceph-osd ends without them.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        facts = start(service)
        print(json.dumps({"bucket": BUCKET, "prefix": PREFIX, "region": REGION} | facts), flush=True)
        sys.stdin.read()
    finally:
        service.stop()
