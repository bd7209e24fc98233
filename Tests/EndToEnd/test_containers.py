"""Recordings in all containers, from the platform to sound and waveform in a browser; and damaged ones."""

import json
import random

import pytest
from playwright.sync_api import expect, sync_playwright

from media import Studio, mutate
from programs import PASSWORD
from waiting import PATIENCE, eventually

expect.set_options(timeout=PATIENCE * 1000)

#: File name, media type, codec, channels, and FFmpeg's arguments.
CONTAINERS = [
    ("call.m4a", "audio/mp4", "aac", 2, ("-ac", "2", "-ar", "16000", "-c:a", "aac")),
    ("fragmented.m4a", "audio/mp4", "aac", 1,
     ("-ac", "1", "-ar", "16000", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-frag_duration", "500000")),
    ("call.mp3", "audio/mpeg", "mp3float", 2, ("-ac", "2", "-ar", "16000", "-c:a", "libmp3lame")),
    ("call-opus.ogg", "audio/ogg", "opus", 2, ("-ac", "2", "-c:a", "libopus")),
    ("call-vorbis.ogg", "audio/ogg", "vorbis", 1, ("-ac", "1", "-c:a", "libvorbis")),
    ("call.flac", "audio/flac", "flac", 2, ("-ac", "2", "-ar", "8000")),
    ("call.w64", "audio/x-w64", "pcm_s16le", 2, ("-ac", "2", "-ar", "8000")),
    ("call.amr", "audio/amr", "amrnb", 1, None),
]  # fmt: skip
#: `make soak` mutates far more, directly through the transcoder.
MUTATIONS = 50


@pytest.fixture(scope="module")
def studio(module_folder):
    return Studio(module_folder)


@pytest.fixture(scope="module")
def page(shared_server):
    """A supervisor in Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--mute-audio"])
        page = browser.new_context(base_url=shared_server.url).new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto("/")
        page.get_by_label("Name").fill("sue")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        yield page
        browser.close()


@pytest.mark.parametrize("name, media_type, codec, channels, arguments", CONTAINERS)
def test_a_recording_is_heard_and_seen(
    shared_server, sandbox, studio, page, name, media_type, codec, channels, arguments
):
    file = studio.amr() if arguments is None else studio.make(name, *arguments, seconds=1)
    id = f"container-{name}"
    # The AMR file lasts 0.4 s.
    sandbox.add_file(id, file.read_bytes(), 0 if arguments is None else 1, media_type)
    reply = shared_server.supervisor.ingest(id)
    assert reply.status == 200, reply
    original = shared_server.supervisor.get(f"/audio/{id}/original")
    assert (original.body, original.headers["content-type"]) == (file.read_bytes(), media_type)
    part = shared_server.data.part(id)
    assert (part["codec"], part["channels"]) == (codec, channels)

    page.goto(f"/play/{id}")
    expect(page.locator("#deck")).to_have_attribute("data-ready", "")
    expect(page.locator(".lane")).to_have_count(channels)
    drawn = """() => {
      const canvas = document.getElementById('lanes');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, place) => place % 4 === 3 && value > 0).length;
    }"""
    eventually(lambda: page.evaluate(drawn) > 2000)
    page.get_by_role("button", name="Play", exact=True).click()
    # The loudest sample that the browser decodes, and whether it has played to the end.
    heard = page.evaluate("""async (url) => {
      const audio = document.querySelector('audio');
      if (!audio.ended) await new Promise((resolve) => audio.addEventListener('ended', resolve, { once: true }));
      const bytes = await (await fetch(url)).arrayBuffer();
      const sound = await new OfflineAudioContext(1, 1, 8000).decodeAudioData(bytes);
      return [audio.duration, sound.getChannelData(0).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)];
    }""", f"/audio/{id}.mp3")
    assert heard[0] > 0.35
    assert heard[1] > 0.2


def test_damaged_recordings_do_not_disturb_others(make_server, sandbox, studio):
    """Each is archived or refused; the server, its conversions and the other recordings are unaffected."""
    server = make_server()
    files = [
        studio.amr() if arguments is None else studio.make(name, *arguments, seconds=1)
        for name, *_, arguments in CONTAINERS]
    files.append(studio.make("call.wav", "-ac", "2", "-ar", "8000", seconds=1))
    jobs = []
    for number in range(MUTATIONS):
        source = random.Random(number)
        sandbox.add_file(f"mutated-{number}", mutate(files[number % len(files)].read_bytes(), source), 1)
        jobs.append(server.supervisor.start(f"mutated-{number}"))
    ended = [server.supervisor.job_until(job, lambda job: job["state"] in ("done", "failed")) for job in jobs]
    refused = [job for job in ended if job["state"] == "failed"]
    reasons = {job["error"]["code"] for job in refused}
    assert reasons <= {"not_a_whole_recording", "conversion_failed", "unsupported_audio"}, reasons
    # Both happen often.
    assert min(len(refused), MUTATIONS - len(refused)) > MUTATIONS // 10, len(refused)
    assert server.process.popen.poll() is None
    assert not server.process.conversions()
    assert server.supervisor.ingest("codec-pcm-stereo").status == 200
    # The quarantine lists what was refused, and nothing else is left.
    assert len(json.loads(server.ok("quarantine", "list", "--json"))["files"]) == len(refused)
    eventually(lambda: not [path for path in server.data.files("spool") if "quarantine" not in str(path)])
