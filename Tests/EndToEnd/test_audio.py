"""`/audio`: the details of HTTP that players and download tools rely on."""

import base64
import hashlib

import pytest

ID = "codec-pcm-stereo"
PATHS = [f"/audio/{ID}.mp3", f"/audio/{ID}/original", f"/audio/{ID}/peaks"]


@pytest.fixture(scope="module")
def files(shared_server):
    """The content of each address, read from the disk."""
    assert shared_server.agent.ingest(ID).status == 200
    part = shared_server.data.part(ID)
    keys = [part["mp3_object"], part["original_object"], part["peaks_object"]]
    return {path: shared_server.data.object(key).read_bytes() for path, key in zip(PATHS, keys)}


@pytest.fixture(scope="module")
def audio(shared_server, files):
    return shared_server.agent


@pytest.mark.parametrize("path", PATHS)
def test_a_whole_file_has_its_length_its_tag_and_its_digest(audio, files, path):
    reply = audio.get(path)
    assert (reply.status, reply.body) == (200, files[path])
    digest = hashlib.sha256(files[path])
    assert reply.headers["content-length"] == str(len(files[path]))
    assert reply.headers["etag"] == f'"{digest.hexdigest()}"'
    assert reply.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert reply.headers["accept-ranges"] == "bytes"
    # A browser may keep the waveform, but asks each time.
    assert reply.headers["cache-control"] == f"private, {'no-cache' if path.endswith('/peaks') else 'no-store'}"
    assert "content-range" not in reply.headers


def test_content_types(audio):
    assert [audio.get(path).headers["content-type"] for path in PATHS[:2]] == ["audio/mpeg", "audio/wav"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("form, first, last", [
    ("bytes=0-", 0, -1), ("bytes=0-0", 0, 0), ("bytes=0-1", 0, 1), ("bytes=100-199", 100, 199),
    ("bytes=1000-", 1000, -1),
    ("bytes=-1", -1, -1), ("bytes=-500", -500, -1), ("bytes={last}-", -1, -1), ("bytes={last}-{last}", -1, -1),
    ("bytes=0-{last}", 0, -1), ("bytes=0-{size}", 0, -1), ("bytes=10-99999999999999999999999", 10, -1),
    ("bytes=-{size}", 0, -1), ("bytes=-99999999999999999999999", 0, -1), ("Bytes=0-9", 0, 9), ("bytes= 0-9 ", 0, 9),
    ("bytes=00-09", 0, 9),
])
def test_a_single_range_is_answered_with_its_bytes(audio, files, path, form, first, last):
    content = files[path]
    size = len(content)
    reply = audio.get(path, Range=form.format(last=size - 1, size=size))
    first, last = first % size, last % size
    assert reply.status == 206
    assert reply.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert reply.headers["content-length"] == str(last - first + 1)
    assert reply.body == content[first:last + 1]


@pytest.mark.parametrize("form", ["bytes={size}-", "bytes={size}-{size}", "bytes=99999999999999999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_cannot_be_satisfied(audio, files, form):
    for path in PATHS:
        size = len(files[path])
        reply = audio.get(path, Range=form.format(size=size))
        assert reply.status == 416
        assert reply.headers["content-range"] == f"bytes */{size}"
        assert b"ID3" not in reply.body and len(reply.body) < 1000


@pytest.mark.parametrize("form", [
    "bytes=", "bytes=-", "bytes=9-5", "bytes=a-b", "bytes=1", "bytes", "0-5", "octets=0-5", "bytes=0-1,5-9",
    "bytes=--5",
    "bytes=+1-5", "bytes=0x1-5", "bytes=1-5-9", "bytes=-1-5", "", "bytes=１-５",
])
def test_any_other_range_header_is_ignored(audio, files, form):
    reply = audio.request("GET", PATHS[0], {"Range": form.encode().decode("latin-1")})
    assert (reply.status, reply.body) == (200, files[PATHS[0]])


def test_if_range_compares_the_version(audio, files):
    path = PATHS[0]
    tag = audio.get(path).headers["etag"]
    assert audio.get(path, Range="bytes=5-9", If_Range=tag).status == 206
    others = ['"other"', f"W/{tag}", tag.strip('"'), "Sun, 22 Nov 2026 10:00:00 GMT", f'{tag}, "x"', "*"]
    for other in others:
        reply = audio.get(path, Range="bytes=5-9", If_Range=other)
        assert (reply.status, reply.body) == (200, files[path]), other
    # An unsatisfiable range of another version is ignored as well.
    assert audio.get(path, Range="bytes=99999999-", If_Range='"other"').status == 200
    assert audio.get(path, Range="bytes=99999999-", If_Range=tag).status == 416


def test_if_none_match_saves_a_transfer(audio):
    tag = audio.get(PATHS[0]).headers["etag"]
    for condition in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        reply = audio.get(PATHS[0], If_None_Match=condition)
        assert (reply.status, reply.body) == (304, b""), condition
        assert reply.headers["etag"] == tag
    assert audio.get(PATHS[0], If_None_Match='"x"').status == 200


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get_and_no_body(audio, files, path):
    size = len(files[path])
    whole = audio.request("HEAD", path)
    assert (whole.status, whole.body, whole.headers["content-length"]) == (200, b"", str(size))
    for name, value in audio.get(path).headers.items():
        assert name in ("x-request-id", "date") or whole.headers[name] == value, name
    part = audio.request("HEAD", path, {"Range": "bytes=10-19"})
    assert (part.status, part.headers["content-length"], part.headers["content-range"]) in [
        (206, "10", f"bytes 10-19/{size}"), (200, str(size), None)]


def test_head_does_not_count_as_listening(audio, shared_server, files):
    before = len(shared_server.audit("--what", "listen"))
    admin = shared_server.client("admin")
    assert admin.request("HEAD", PATHS[0]).status == 200
    assert len(shared_server.audit("--what", "listen")) == before
    assert admin.request("GET", PATHS[0], {"Range": "bytes=0-0"}).status == 206
    for first in range(1, 20):
        admin.request("GET", PATHS[0], {"Range": f"bytes={first}-"})
    assert len(shared_server.audit("--what", "listen")) == before + 1, "one listening session, one entry"


def test_a_download_is_named_and_logged(audio, shared_server, files):
    for path, name in zip(PATHS[:2], [f"{ID}.mp3", f"{ID}.wav"]):
        before = len(shared_server.audit("--what", "download"))
        reply = audio.get(f"{path}?download")
        assert reply.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert reply.body == files[path]
        assert len(shared_server.audit("--what", "download")) == before + 1


def test_audio_that_is_not_in_the_archive_is_not_found(shared_server, shared_sandbox):
    agent = shared_server.agent
    for path in ("/audio/never-seen.mp3", "/audio/never-seen/original", "/audio/never-seen/peaks"):
        reply = agent.get(path)
        assert (reply.status, reply.code) == (404, "audio_not_ready")
        assert reply.json()["detail"] == "Audio file not yet processed"
    shared_sandbox.fault("slow", "bench-3min-05", bytesPerSecond=20_000)
    job = agent.start("bench-3min-05")
    agent.job_until(job, lambda job: job["bytes"] > 0)
    assert agent.get("/audio/bench-3min-05.mp3").code == "audio_not_ready"
    shared_sandbox.clear_faults()
    agent.job_until(job, lambda job: job["state"] == "done")
    assert agent.get("/audio/bench-3min-05.mp3").status == 200


def test_other_methods_are_not_allowed(audio):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert audio.request(method, PATHS[0]).status in (404, 405)


def test_the_peaks_are_in_the_format_of_audiowaveform(audio, files, shared_server):
    peaks = files[PATHS[2]]
    version, flags, rate, per_point, points, channels = (
        int.from_bytes(peaks[at:at + 4], "little", signed=True) for at in range(0, 24, 4))
    assert (version, flags, rate, channels) == (2, 1, 8000, 2)
    assert rate / per_point == 100
    assert len(peaks) == 24 + points * channels * 2
