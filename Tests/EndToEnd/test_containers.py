"""Recordings in all containers, from the platform to sound and waveform in a browser; and damaged ones."""

import os
import random

import pytest
from playwright.sync_api import expect, sync_playwright

from media import Studio, big_endian, mutate, noise
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
    # The browser cannot play this original, and plays the MP3 instead.
    ("call-big-endian.wav", "audio/wav", "pcm_s16be", 1, None),
]  # fmt: skip
#: Mutated recordings; their requests are sent in groups.
MUTATIONS, GROUP = 2000 if os.environ.get("TAPEDECK_SOAK") else 50, 50


@pytest.fixture(scope="module")
def studio(module_folder):
    return Studio(module_folder)


def make(studio: Studio, name: str, arguments: tuple[str, ...] | None):
    """A file of a second; the AMR file lasts 0.4 s."""
    if arguments is not None:
        return studio.make(name, *arguments, seconds=1)
    return studio.amr() if name.endswith("amr") else studio.write(name, big_endian(noise(8000)))


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
    file = make(studio, name, arguments)
    id = f"container-{name}"
    sandbox.add_file(id, file.read_bytes(), 0 if codec == "amrnb" else 1, media_type)
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
    eventually(lambda: page.evaluate("document.querySelector('audio').ended"))
    # The length that was played, and the loudest sample that the browser decodes.
    heard = page.evaluate("""async (url) => {
      const audio = document.querySelector('audio');
      const bytes = await (await fetch(url)).arrayBuffer();
      const sound = await new OfflineAudioContext(1, 1, 8000).decodeAudioData(bytes);
      return [audio.duration, sound.getChannelData(0).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)];
    }""", f"/audio/{id}.mp3")
    assert heard[0] > 0.35
    assert heard[1] > 0.2


def test_damaged_recordings_do_not_disturb_others(make_server, sandbox, studio):
    """Each is archived or refused; the server, its conversions and the other recordings are unaffected."""
    server = make_server()
    files = [make(studio, name, arguments) for name, *_, arguments in CONTAINERS]
    files.append(studio.make("call.wav", "-ac", "2", "-ar", "8000", seconds=1))
    ended = []
    for first in range(0, MUTATIONS, GROUP):
        jobs = []
        for number in range(first, first + GROUP):
            source = random.Random(number)
            sandbox.add_file(f"mutated-{number}", mutate(files[number % len(files)].read_bytes(), source), 1)
            jobs.append(server.supervisor.start(f"mutated-{number}"))
        ended += [server.supervisor.job_until(job, lambda job: job["state"] in ("done", "failed")) for job in jobs]
    refused = [job for job in ended if job["state"] == "failed"]
    reasons = {job["error"]["code"] for job in refused}
    assert reasons <= {"not_a_whole_recording", "conversion_failed", "unsupported_audio"}, reasons
    # Both happen often.
    assert min(len(refused), MUTATIONS - len(refused)) > MUTATIONS // 20, len(refused)
    assert server.process.popen.poll() is None
    assert not server.process.conversions()
    assert server.supervisor.ingest("codec-pcm-stereo").status == 200
    # The quarantine holds what was refused, and nothing else is left.
    assert len([path for path in server.data.files("quarantine") if path.endswith(".bin")]) == len(refused)
    eventually(lambda: not [path for path in server.data.files("spool") if "quarantine" not in str(path)])
