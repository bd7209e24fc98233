"""Runs moto's S3 until standard input ends, with signatures and permissions checked.

Its argument is the document that lists the permissions of Tapedeck's access key. The first key has exactly these, for
one prefix of one bucket; the second key has all permissions. When the server answers, both keys and the address are
printed as one line of JSON.
"""

import json
import logging
import os
import pathlib
import re
import sys

import boto3
import flask
import moto.iam.access_control
from moto import settings
from moto.server import ThreadedMotoServer

BUCKET, PREFIX, REGION = "recordings", "tapedeck", "eu-central-1"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


class ExactS3Request(moto.iam.access_control.S3IAMRequest):
    """Checks the signature over the path as it was sent. moto uses werkzeug's spelling, which not even boto3 signs."""

    def __init__(self, path, **rest):
        super().__init__(path=flask.request.environ["RAW_URI"], **rest)


def documented_policy(path):
    blocks = re.findall(r"```json\n(.*?)```", pathlib.Path(path).read_text(encoding="utf-8"), re.DOTALL)
    (policy,) = [block for block in blocks if '"Statement"' in block]
    return json.loads(policy.replace("BUCKET", BUCKET).replace("PREFIX", PREFIX))


def make_key(iam, name, policy):
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def main():
    moto.iam.access_control.S3IAMRequest = ExactS3Request
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    unchecked = {
        "endpoint_url": endpoint,
        "region_name": REGION,
        "aws_access_key_id": "any",
        "aws_secret_access_key": "any",
    }
    boto3.client("s3", **unchecked).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    iam = boto3.client("iam", **unchecked)
    facts = {
        "endpoint": endpoint,
        "bucket": BUCKET,
        "prefix": PREFIX,
        "region": REGION,
        "key": make_key(iam, "tapedeck", documented_policy(sys.argv[1])),
        "observer": make_key(iam, "observer", EVERYTHING),
    }
    # From here on moto requires valid signatures and permissions.
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    print(json.dumps(facts), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
