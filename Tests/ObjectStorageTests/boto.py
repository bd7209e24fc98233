"""Does with boto3 what standard input asks for, and prints what came of it: a second opinion on what Tapedeck does.

A call is made, or with "capture" only signed: then its method, address and headers are the result.
"""

import base64
import hashlib
import json
import sys

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config


class Nothing:
    """The body of an answer that never came."""

    def stream(self):
        return iter([b"<A/>"])

    def read(self):
        return b"<A/>"


def capture(client, operation, arguments):
    seen = {}

    def before_send(request, **_):
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        seen.update(method=request.method, url=request.url, headers=headers)
        return AWSResponse(request.url, 200, {"ETag": '"e"'}, Nothing())

    client.meta.events.register("before-send.s3", before_send)
    getattr(client, operation)(**arguments)
    client.meta.events.unregister("before-send.s3", before_send)
    return seen


def make(client, operation, arguments):
    answer = getattr(client, operation)(**arguments)
    body = answer.pop("Body", None)
    bytes_ = body.read() if body is not None else b""
    found = answer.get("Contents", []) + answer.get("Uploads", [])
    return {
        "sha256": hashlib.sha256(bytes_).hexdigest(),
        "bytes": len(bytes_),
        "type": answer.get("ContentType", ""),
        "checksum": answer.get("ChecksumSHA256", ""),
        "metadata": answer.get("Metadata", {}),
        "names": [item["Key"] for item in found],
    }


def main():
    asked = json.load(sys.stdin)
    client = boto3.client(
        "s3",
        endpoint_url=asked.get("endpoint"),
        region_name=asked["region"],
        aws_access_key_id=asked["key"]["id"],
        aws_secret_access_key=asked["key"]["secret"],
        aws_session_token=asked.get("token"),
        config=Config(s3={"addressing_style": asked["addressing"], "payload_signing_enabled": True}),
    )
    results = []
    for call in asked["calls"]:
        arguments = dict(call["arguments"])
        if "Body" in arguments:
            arguments["Body"] = base64.b64decode(arguments["Body"])
        if "PartNumber" in arguments:
            arguments["PartNumber"] = int(arguments["PartNumber"])
        results.append((capture if asked.get("capture") else make)(client, call["operation"], arguments))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
