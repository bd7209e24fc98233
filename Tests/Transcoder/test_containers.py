"""All containers, and what is said about them."""

import itertools
import os
import threading

import pytest

from media import Studio, decoded, ffmpeg, noise, pcm, reference, reference_and_peaks
from transcoder import STRICT

AAC = ["-ar", "16000", "-c:a", "aac"]
CONTAINERS = {
    "w64": ("w64", []),
    "rf64.wav": ("wav", ["-rf64", "always"]),
    "m4a": ("mov", AAC),
    "fragmented.m4a": ("mov", [*AAC, "-movflags", "frag_keyframe+empty_moov", "-frag_duration", "200000"]),
    "faststart.m4a": ("mov", [*AAC, "-movflags", "+faststart"]),
    "opus.ogg": ("ogg", ["-c:a", "libopus"]),
    "vorbis.ogg": ("ogg", ["-c:a", "libvorbis"]),
    "flac": ("flac", ["-c:a", "flac"]),
    "mp3": ("mp3", ["-c:a", "libmp3lame"]),
}


@pytest.mark.parametrize(("name", "channels"), [*itertools.product(CONTAINERS, [1, 2])])
def test_every_container(shared, studio: Studio, mp3, name, channels):
    demuxer, arguments = CONTAINERS[name]
    recording = studio.make(
        f"{channels}.{name}", "-ac", str(channels), "-metadata", "title=Call", "-metadata",
        "creation_time=2026-01-02T03:04:05Z", *arguments)
    report = shared.convert(demuxer, recording, mp3, flags=STRICT)
    assert report.warnings == []
    _, peaks = reference_and_peaks(recording, mp3.with_name("reference.mp3"), channels)
    assert report.peaks == peaks
    expected = decoded(mp3.with_name("reference.mp3"))
    assert decoded(mp3) == expected
    assert len(expected) > 0
    if "w64" not in name:
        assert report.facts["tag.title"] == "Call"
        assert "title=Call\n" in ffmpeg("-i", mp3, "-f", "ffmetadata", "-").decode()


def test_amr(shared, studio: Studio, mp3):
    report = shared.convert("amr", studio.amr(), mp3, flags=STRICT)
    assert report.facts["codec"] == "amrnb"
    assert decoded(mp3) == decoded(reference(studio.amr(), mp3.with_name("reference.mp3")))


def test_moov_is_at_the_end(studio: Studio):
    """What the test of `m4a` relies on."""
    content = studio.make("1.m4a", "-ac", "1", *AAC).read_bytes()
    assert content.index(b"mdat") < content.index(b"moov")


def test_video(shared, studio: Studio, mp3):
    recording = studio.make(
        "film.mp4", "-f", "lavfi", "-i", "testsrc=d=0.7:s=64x48", "-map", "0:a", "-map", "1:v", "-c:v", "mpeg4", *AAC)
    report = shared.convert("mov", recording, mp3)
    assert report.warnings == ["The recording contains video; only its audio is converted."]
    assert decoded(mp3) == decoded(reference(recording, mp3.with_name("reference.mp3")))


def test_two_audio_streams(shared, studio: Studio, mp3):
    recording = studio.make("two.m4a", "-map", "0:a", "-map", "0:a", *AAC)
    report = shared.convert("mov", recording, mp3)
    assert report.warnings == ["The recording has 2 audio streams; the first one is converted."]


def test_a_picture_is_ignored(shared, studio: Studio, mp3):
    picture = studio.make("picture.png", "-f", "lavfi", "-i", "testsrc=s=64x48", "-map", "1:v", "-frames:v", "1")
    recording = studio.make(
        "picture.mp3", "-i", picture, "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic")
    report = shared.convert("mp3", recording, mp3)
    assert report.warnings == []
    assert b"APIC" in recording.read_bytes() and b"APIC" not in mp3.read_bytes()


def test_video_without_audio(shared, studio: Studio, mp3):
    recording = studio.make("silent.mp4", "-f", "lavfi", "-i", "testsrc=d=0.2:s=64x48", "-map", "1:v", "-c:v", "mpeg4")
    assert shared.fail("mov", recording, mp3) == ("open", "The recording contains no audio\n")


@pytest.mark.parametrize("codec", ["adpcm_swf", "wmav2", "ac3"])
def test_other_codecs_are_refused(shared, studio: Studio, mp3, codec):
    stage, text = shared.fail("wav", studio.make(f"{codec}.wav", "-ar", "44100", "-c:a", codec), mp3)
    assert stage == "open"
    assert "codec" in text


@pytest.mark.parametrize("demuxer", ["", "hls", "concat", "mp4", "matroska", "wav,mov", "a name that is l"])
def test_other_demuxers_are_refused(shared, studio: Studio, mp3, demuxer):
    stage, text = shared.fail(demuxer, studio.master, mp3)
    assert stage == "open"
    assert text.startswith(f"The container {demuxer} is not supported")


def test_the_demuxer_is_not_guessed(shared, studio: Studio, mp3):
    recordings = {demuxer: studio.make(f"1.{name}", "-ac", "1", *arguments)
                  for name, (demuxer, arguments) in CONTAINERS.items()}
    for (actual, recording), demuxer in itertools.product(recordings.items(), ["wav", "w64", "mov", "flac", "ogg"]):
        if demuxer != actual:
            stage, _ = shared.fail(demuxer, recording, mp3)
            assert stage in ("open", "decode")


# MARK: Growing recordings


def grow(pieces: list[bytes], after_each=lambda: None) -> int:
    """A pipe that receives these pieces; the call after each one may wait."""
    reading, writing = os.pipe()

    def write():
        for piece in pieces:
            os.write(writing, piece)
            after_each()
        os.close(writing)

    threading.Thread(target=write, daemon=True).start()
    return reading


def test_a_wav_that_is_still_growing(transcoder, studio: Studio, mp3):
    """Peaks of the beginning arrive before the end of the recording exists."""
    recording = studio.write("growing.wav", pcm(noise(400_000)))
    content = recording.read_bytes()
    gate = threading.Event()
    steps = iter([lambda: None, gate.wait, lambda: None])
    conversion = transcoder.start(
        "wav", grow([content[:1000], content[1000:500_000], content[500_000:]], lambda: next(steps)()), mp3)
    assert conversion.began.wait(30)
    gate.set()
    reply, report = conversion.result()
    assert (reply.status, report.error) == (0, None), (reply, report)
    assert report.end[0] == 400_000
    assert (mp3.read_bytes(), report.peaks) == reference_and_peaks(recording, mp3.with_name("reference.mp3"), 1)


@pytest.mark.parametrize("size", [1, 7, 4095, 65_536])
def test_pieces_of_any_size(shared, studio: Studio, mp3, size):
    content = studio.wav("adpcm_ima_wav", 2, 16000).read_bytes()
    report = shared.convert("wav", grow([content[at : at + size] for at in range(0, len(content), size)]), mp3)
    assert mp3.read_bytes() == reference(studio.wav("adpcm_ima_wav", 2, 16000), mp3.with_name("ref.mp3")).read_bytes()
    assert report.facts["codec"] == "adpcm_ima_wav"


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF])
def test_a_stream_of_unknown_length(shared, studio: Studio, mp3, length):
    samples = noise(20_000)
    shared.convert("wav", grow([pcm(samples, data_length=length)]), mp3)
    known = studio.write("known.wav", pcm(samples))
    assert decoded(mp3) == decoded(reference(known, mp3.with_name("reference.mp3")))


# MARK: Damage


def test_damage_is_a_warning_or_an_error(shared, studio: Studio, mp3):
    content = bytearray(studio.make("1.m4a", "-ac", "1", *AAC).read_bytes())
    start = content.index(b"mdat") + 4
    for place in range(start + 1000, start + 1400):
        content[place] = 0xFF
    recording = studio.write("damaged.m4a", bytes(content))
    report = shared.convert("mov", recording, mp3)
    assert report.end[3] > 0
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith("Some of the audio could not be decoded: ")
    stage, text = shared.fail("mov", recording, mp3, flags=STRICT)
    assert stage == "decode"
    assert "[aac @" in text, "FFmpeg's message is missing"


def test_an_incomplete_last_sample(shared, studio: Studio, mp3):
    """The check that a file is complete is not here; a strict conversion reports what FFmpeg cannot decode."""
    content = studio.wav("pcm_s16le", 2, 8000).read_bytes()
    shared.convert("wav", studio.write("cut.wav", content[:-1]), mp3)
