"""The OpenAPI document is valid, and the server answers as it says."""

import json
import os
import subprocess
import sys

import pytest
from openapi_spec_validator import validate

# Seconds for schemathesis; `make soak` gives it more.
SECONDS = int(os.environ.get("TAPEDECK_SCHEMATHESIS_SECONDS", "20"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"


def test_the_document_is_valid(shared_server):
    document = shared_server.client("metrics").get("/api/v1/openapi.json").json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert len(document["paths"]) > 20


@pytest.mark.timeout(SECONDS + 1000)
def test_responses_are_those_of_the_document(shared_server, module_folder):
    """Generated requests get no server error and no response that the document does not describe."""
    file = module_folder / "openapi.json"
    file.write_text(json.dumps(shared_server.client("admin").get("/api/v1/openapi.json").json()))
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", str(file), "--url", shared_server.url,
            "--header", f"Authorization: Bearer {shared_server.token('admin')}", "--checks", CHECKS,
            "--phases", "examples,coverage,fuzzing", "--seed", "7",
            "--max-examples", "10000" if SECONDS > 60 else "20", "--generation-deterministic", "--no-color",
            "--max-time", str(SECONDS),
        ],  # fmt: skip
        capture_output=True, text=True, cwd=module_folder, timeout=SECONDS + 900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
