"""The MP3 is the one that the documented ffmpeg command writes, for every codec in WAV."""

import itertools
import math

import pytest

from media import (
    RATES,
    Studio,
    big_endian,
    decoded,
    extensible,
    ffmpeg,
    floats,
    noise,
    reference,
    reference_and_peaks,
    riff,
    run,
)

CODECS = [
    "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "pcm_alaw",
    "adpcm_ima_wav", "adpcm_ms",
]  # fmt: skip
COMBINATIONS = [
    *itertools.product(CODECS, [1, 2], RATES),
    # FFmpeg encodes only one channel.
    *itertools.product(["gsm_ms", "g722", "g726"], [1], [8000, 16000]),
    *itertools.product(["libmp3lame"], [1, 2], [8000, 44100]),
]


def check(transcoder, recording, mp3, channels, demuxer="wav"):
    """Compares all of the MP3, including the Xing header and the tags, and the peaks."""
    report = transcoder.convert(demuxer, recording, mp3)
    expected, peaks = reference_and_peaks(recording, mp3.with_name("reference.mp3"), channels)
    assert mp3.read_bytes() == expected
    assert report.peaks == peaks
    assert len(report.peaks) == 2 * channels * math.ceil(report.end[1] / 80)
    return report


@pytest.mark.parametrize(("codec", "channels", "rate"), COMBINATIONS)
def test_every_codec(shared, studio: Studio, mp3, codec, channels, rate):
    report = check(shared, studio.wav(codec, channels, rate), mp3, channels)
    assert report.warnings == []
    assert (report.facts["channels"], report.facts["rate"]) == (str(channels), str(rate))


def test_g729(shared, studio: Studio, mp3):
    recording = studio.write("g729.wav", riff(0x83, 1, 8000, 0, 10, studio.g729(), extra=b"\0\0"))
    report = check(shared, recording, mp3, 1)
    assert report.facts["codec"] == "g729"
    assert report.end[0] > 5000


@pytest.mark.parametrize(("channels", "mask"), [(1, 0), (1, 1), (1, 2), (1, 4), (1, 8), (1, 0x100), (2, 3), (2, 0xC), (2, 0)])
def test_channel_masks(shared, studio: Studio, mp3, channels, mask):
    """As the ffmpeg program does, makes stereo of a left channel alone, and mono of a centre with a bass channel."""
    recording = studio.write("mask.wav", extensible(noise(8000 * channels), channels, mask))
    check(shared, recording, mp3, {1: 2, 2: 2, 0xC: 1}.get(mask, channels))


def test_channels_that_cannot_be_mixed(shared, studio: Studio, mp3):
    recording = studio.write("back.wav", extensible(noise(16_000), 2, 0x30))
    stage, text = shared.fail("wav", recording, mp3)
    assert stage == "decode"
    assert "BL+BR" in text


@pytest.mark.parametrize(
    ("channels", "mask"), [(3, 0), (3, 7), (4, 0), (4, 0x33), (5, 0x37), (6, 0x3F), (6, 0x60F), (8, 0x63F)])
def test_many_channels_are_mixed_down(shared, studio: Studio, mp3, channels, mask):
    recording = studio.write("many.wav", extensible(noise(8000 * channels), channels, mask))
    report = check(shared, recording, mp3, 2)
    assert report.warnings == [f"The recording has {channels} channels; they are mixed down."]
    assert report.facts["mp3_channels"] == "2"


def test_big_endian(shared, studio: Studio, mp3):
    check(shared, studio.write("rifx.wav", big_endian(noise(9000))), mp3, 1)


@pytest.mark.parametrize("rate", [4000, 6000, 10_000, 18_000, 28_000, 38_050, 96_000, 192_000])
def test_rates_that_mp3_does_not_have(shared, studio: Studio, mp3, rate):
    check(shared, studio.wav("pcm_s16le", 2, rate), mp3, 2)


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 2), (8000, 1), (44_100, 2)])
@pytest.mark.parametrize("source_channels", [1, 2])
def test_the_format_of_the_mp3_can_be_chosen(shared, studio: Studio, mp3, rate, channels, source_channels):
    recording = studio.wav("pcm_s16le", source_channels, 8000)
    report = shared.convert("wav", recording, mp3, mp3_rate=rate, mp3_channels=channels)
    assert (report.facts["mp3_rate"], report.facts["mp3_channels"]) == (str(rate), str(channels))
    assert (report.facts["rate"], report.facts["channels"]) == ("8000", str(source_channels))
    # The peaks keep their rate.
    assert len(report.peaks) == 2 * channels * math.ceil(report.end[1] / 80)
    same = shared.convert("wav", recording, mp3.with_name("same.mp3"))
    assert abs(report.end[1] - same.end[1]) <= 1
    fields = run(
        "ffprobe", "-v", "error", "-show_entries", "stream=sample_rate,channels", "-of", "csv=p=0", str(mp3)).decode()
    assert fields.strip() == f"{rate},{channels}"


@pytest.mark.parametrize("rate", [3999, 192_001])
def test_unsupported_rates(shared, studio: Studio, mp3, rate):
    stage, text = shared.fail("wav", studio.wav("pcm_s16le", 1, rate), mp3)
    assert stage == "audio"
    assert str(rate) in text


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("scale", [1, 32768])
def test_float_beyond_full_scale(shared, studio: Studio, mp3, bits, scale):
    """Within what some programs write, values are not changed."""
    check(shared, studio.write("loud.wav", floats([2 * scale * sample for sample in noise(9000)], bits)), mp3, 1)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38, -1e12, "noise", "1e300"])
def test_impossible_floats_are_clamped(shared, studio: Studio, mp3, bits, value):
    """The ffmpeg program is aborted by LAME here; the rest of the recording must remain as it is."""
    samples, plain = impossible(bits, value)
    shared.convert("wav", studio.write("impossible.wav", floats(samples, bits)), mp3)
    expected = reference(studio.write("possible.wav", floats(plain, bits)), mp3.with_name("reference.mp3"))
    assert mp3.read_bytes() == expected.read_bytes()
    # Resampling spreads them to their neighbours; only the beginning is the same.
    shared.convert("wav", studio.write("impossible.wav", floats(samples, bits, rate=11000)), mp3)
    expected = reference(studio.write("possible.wav", floats(plain, bits, rate=11000)), mp3.with_name("reference.mp3"))
    ours, theirs = decoded(mp3), decoded(expected)
    assert len(ours) == len(theirs)
    assert ours[: 4 * 4000] == theirs[: 4 * 4000]


def impossible(bits, value):
    """Samples with such values, and the same samples with what replaces them."""
    samples, plain = noise(12_000), noise(12_000)
    if value == "1e300":
        value = 1e300 if bits == 64 else math.inf
    for place in range(6000, 6100):
        plain[place] = samples[place] = 0.0
    for place in range(6000, 6100, 7):
        samples[place] = 1e30 * plain[place - 100] if value == "noise" else value
        plain[place] = 0.0 if samples[place] != samples[place] else math.copysign(1, samples[place])
    return samples, plain


def test_silence_and_one_sample(shared, studio: Studio, mp3):
    check(shared, studio.write("silence.wav", floats([0.0] * 9000)), mp3, 1)
    check(shared, studio.write("one.wav", floats([0.5])), mp3, 1)


def test_a_recording_without_samples(shared, studio: Studio, mp3):
    stage, text = shared.fail("wav", studio.write("none.wav", floats([])), mp3)
    assert (stage, text.splitlines()[0]) == ("decode", "The recording contains no audio")


def test_xing_header(shared, studio: Studio, mp3):
    """Players find the length and any position: the header counts all frames and bytes."""
    shared.convert("wav", studio.wav("pcm_s16le", 1, 8000), mp3)
    content = mp3.read_bytes()
    start = content.index(b"Xing")
    flags, frames, length = (int.from_bytes(content[start + 4 * place : start + 4 * place + 4]) for place in (1, 2, 3))
    assert flags == 0b1111
    first = content.rindex(b"\xff\xe3", 0, start)
    assert length == len(content) - first
    packets = int(ffprobe_packets(mp3))
    assert frames in (packets, packets - 1)
    assert content[start + 16] == 0 and content[start + 115] > 200, "the table of positions is not filled"
    # Encoder delay and padding are removed, so that the length is exact.
    assert len(decoded(mp3)) == 4 * 5600


def ffprobe_packets(mp3):
    return run(
        "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", mp3)


def test_tags(shared, studio: Studio, mp3):
    recording = studio.make(
        "tags.wav", "-metadata", "title=Grüße", "-metadata", "artist=An agent", "-metadata", "comment=" + "x" * 3000)
    report = check(shared, recording, mp3, 2)
    assert report.facts["tag.title"] == "Grüße"
    assert report.facts["tag.artist"] == "An agent"
    assert report.facts["tag.comment"] == "x" * 1023
    tags = ffmpeg("-i", mp3, "-f", "ffmetadata", "-").decode()
    assert "title=Grüße\n" in tags
    assert "comment=" + "x" * 3000 + "\n" in tags
