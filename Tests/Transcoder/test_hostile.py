"""Recordings that were made to harm: playlists in disguise, references to other files, and damaged files of all kinds."""

import os
import pathlib
import random
import struct

import pytest

from media import Studio, extensible, ffmpeg, mutate, noise, pcm, riff
from transcoder import Transcoder

DEMUXERS = ["wav", "w64", "mov", "mp3", "flac", "ogg", "amr"]
#: `make soak` sets a higher number.
MUTATIONS = int(os.environ.get("TAPEDECK_MUTATIONS", "500"))


# MARK: Playlists

PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
    "hls-master": '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="file://{path}"\n'
    "#EXT-X-STREAM-INF:BANDWIDTH=1\nfile://{path}\n",
    "ffconcat": "ffconcat version 1.0\nfile '{path}'\nduration 10\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
    "cue": 'FILE "{path}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
}


def disguises(playlist: bytes) -> dict[str, bytes]:
    """Ten ways to send a playlist as a recording."""
    padded = playlist + b"\n" * (4096 - len(playlist))
    id3 = b"ID3\x04\0\0" + bytes([0, 0, 0, 10]) + bytes(10)
    return {
        "as it is": playlist,
        "after a byte order mark": b"\xef\xbb\xbf" + playlist,
        "after empty lines": b"\r\n" * 64 + playlist,
        "after an ID3 tag": id3 + playlist,
        "as the samples of a WAV file": riff(1, 1, 8000, 8, 1, padded),
        "as MP3 in a WAV file": riff(0x55, 1, 8000, 0, 1, padded, extra=struct.pack("<HHIHHH", 12, 1, 2, 0, 0, 0)),
        "in a chunk before the samples": pcm(noise(800)).replace(
            b"data", b"LIST" + struct.pack("<I", len(padded)) + padded + b"data", 1),
        "as a box of an MP4 file": b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom"
        + struct.pack(">I", 8 + len(padded)) + b"moov" + padded,
        "after the mark of Ogg": b"OggS\0\2" + bytes(20) + b"\1\xff" + padded,
        "after the mark of AMR": b"#!AMR\n" + padded,
    }


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_open_nothing(shared, studio: Studio, tmp_path, mp3, kind):
    """A conversion that tried to open a file or a socket would be killed; one that opened the other recording, found."""
    other = tmp_path / "other.wav"
    other.write_bytes(pcm([0.9] * 80_000))
    playlist = PLAYLISTS[kind].format(path=other, port=9).encode()
    count = 0
    for disguise in disguises(playlist).values():
        recording = tmp_path / "disguised.wav"
        recording.write_bytes(disguise)
        for demuxer in DEMUXERS:
            reply, report = shared.start(demuxer, recording, mp3).result()
            assert reply.status in (0, 1), (demuxer, reply)
            if reply.status == 0:
                # Its own bytes can be samples; there are fewer than 10,000 of them.
                assert report.end[0] < 60_000
                assert report.facts["container"].split(",")[0] == demuxer
            count += 1
    assert count == 10 * len(DEMUXERS)


def test_an_mp4_that_refers_to_another_file(shared, studio: Studio, tmp_path, mp3):
    """The samples of a track can be in another file."""
    source = studio.make("reference.m4a", "-ac", "1", "-ar", "16000", "-c:a", "aac").read_bytes()
    start = source.index(b"dref") - 4
    # One data reference, which says that the samples are in this file, becomes a Macintosh alias of another one.
    assert source[start + 16 : start + 28] == b"\0\0\0\x0curl \0\0\0\1"
    (tmp_path / "other.m4a").write_bytes(source)
    name = str(tmp_path / "other.m4a").encode()
    name += b"\0" * (len(name) % 2)
    alias = bytes(150) + struct.pack(">hH", 2, len(name)) + name + struct.pack(">hH", -1, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    content = source[: start + 16] + entry + source[start + 28 :]
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        place = content.rindex(box, 0, start + 8) - 4
        size = struct.unpack_from(">I", content, place)[0] + len(entry) - 12
        content = content[:place] + struct.pack(">I", size) + content[place + 4 :]
    recording = studio.write("alias.m4a", content)
    # A program that permits such references follows this one.
    assert len(ffmpeg("-enable_drefs", "1", "-use_absolute_path", "1", "-i", recording, "-f", "s16le", "-")) > 10_000
    stage, _ = shared.fail("mov", recording, mp3)
    assert stage in ("open", "decode")


# MARK: Damaged files


def originals(studio: Studio) -> list[tuple[str, pathlib.Path]]:
    wav = [
        studio.make(f"short-{codec}.wav", "-strict", "-2", "-ac", "1", "-ar", "8000", "-c:a", codec, seconds=0.2)
        for codec in (
            "pcm_s16le", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "gsm_ms", "adpcm_ima_wav", "adpcm_ms", "g722", "g726",
            "libmp3lame")
    ]  # fmt: skip
    files = [("wav", path) for path in wav]
    files.append(("wav", studio.write("short-many.wav", extensible(noise(6000), 6, 0x3F))))
    files.append(("wav", studio.write("short-g729.wav", riff(0x83, 1, 8000, 0, 10, studio.g729()[:200]))))
    for name, demuxer, *arguments in (
        ("short.m4a", "mov", "-c:a", "aac"),
        ("short-fragmented.m4a", "mov", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"),
        ("short.ogg", "ogg", "-c:a", "libopus"),
        ("short-vorbis.ogg", "ogg", "-c:a", "libvorbis"),
        ("short.flac", "flac"),
        ("short.mp3", "mp3"),
        ("short.w64", "w64"),
    ):
        files.append((demuxer, studio.make(name, "-ac", "1", *arguments, seconds=0.2)))
    return [*files, ("amr", studio.amr())]


def test_damaged_files(binary, studio: Studio, tmp_path):
    """No crash, no hang, no output beyond the limits; and the last intact one is converted as the first."""
    files = originals(studio)
    intact = files[0]
    outcomes: dict[int, int] = {}
    largest = 0
    with Transcoder(binary) as transcoder:
        transcoder.convert(*intact, tmp_path / "first.mp3")
        for number in range(MUTATIONS):
            source = random.Random(number)
            demuxer, original = files[number % len(files)]
            if source.randrange(10) == 0:
                demuxer = source.choice(DEMUXERS)
            recording = tmp_path / "mutated"
            recording.write_bytes(mutate(original.read_bytes(), source))
            mp3 = tmp_path / "mutated.mp3"
            reply, report = transcoder.start(
                demuxer, recording, mp3, cpu_seconds=10, memory_bytes=1 << 30, output_bytes=8 << 20,
                audio_milliseconds=600_000).result()
            assert reply.status in (0, 1), f"mutation {number} of {original.name} as {demuxer}: {reply}"
            assert not report.is_broken
            assert mp3.stat().st_size <= 8 << 20
            assert len(report.warnings) <= 32
            outcomes[reply.status] = outcomes.get(reply.status, 0) + 1
            largest = max(largest, reply.numbers[1])
        transcoder.convert(*intact, tmp_path / "last.mp3")
    assert (tmp_path / "first.mp3").read_bytes() == (tmp_path / "last.mp3").read_bytes()
    # Both happen often, so that mutations reach more than the first check.
    assert min(outcomes[0], outcomes[1]) > MUTATIONS // 10
    assert largest < 200 << 20
