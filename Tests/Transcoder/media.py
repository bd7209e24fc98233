"""Recordings in all containers and codecs, and what the installed ffmpeg program makes of them."""

from __future__ import annotations

import array
import math
import pathlib
import random
import struct
import subprocess


REFERENCE = ["-vn", "-codec:a", "libmp3lame", "-q:a", "2", "-map_metadata", "0"]


def run(*command: str | pathlib.Path) -> bytes:
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def ffmpeg(*arguments: str | pathlib.Path) -> bytes:
    return run("ffmpeg", "-v", "error", "-y", *arguments)


def reference(recording: pathlib.Path, mp3: pathlib.Path) -> pathlib.Path:
    """What the documented command makes of a recording."""
    ffmpeg("-i", recording, *REFERENCE, mp3)
    return mp3


def decoded(file: pathlib.Path) -> bytes:
    return ffmpeg("-i", file, "-map", "0:a:0", "-f", "f32le", "-")


def peaks_of(recording: pathlib.Path, channels: int, *other_output: str | pathlib.Path) -> bytes:
    """The waveform, computed from the audio at 8 kHz: lowest and highest sample of each 80, divided by 256."""
    samples = array.array("h")
    at_8_khz = ["-map", "0:a:0", "-ac", str(channels), "-ar", "8000", "-f", "s16le", "-"]
    samples.frombytes(ffmpeg("-i", recording, *other_output, *at_8_khz))
    peaks = bytearray()
    for start in range(0, len(samples), 80 * channels):
        for channel in range(channels):
            point = samples[start + channel : start + 80 * channels : channels]
            peaks += struct.pack("bb", int(min(point) / 256), int(max(point) / 256))
    return bytes(peaks)


def reference_and_peaks(recording: pathlib.Path, mp3: pathlib.Path, channels: int) -> tuple[bytes, bytes]:
    """What `reference` and `peaks_of` return, by one run."""
    peaks = peaks_of(recording, channels, *REFERENCE, mp3)
    return mp3.read_bytes(), peaks


def noise(count: int, seed: int = 1) -> list[float]:
    """A tone with noise, between -1 and 1."""
    source = random.Random(seed)
    return [0.5 * math.sin(place * 0.3) + 0.3 * source.uniform(-1, 1) for place in range(count)]


def riff(tag: int, channels: int, rate: int, bits: int, block: int, data: bytes, *, extra: bytes = b"",
         data_length: int | None = None) -> bytes:
    """A WAV file with any header."""
    header = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(header)) + header
    chunks += b"data" + struct.pack("<I", len(data) if data_length is None else data_length) + data
    return b"RIFF" + struct.pack("<I", (4 + len(chunks)) & 0xFFFFFFFF) + b"WAVE" + chunks


def pcm(samples: list[float], channels: int = 1, rate: int = 8000, **options: int) -> bytes:
    """A WAV file with 16-bit samples between -1 and 1."""
    data = b"".join(struct.pack("<h", round(32767 * sample)) for sample in samples)
    return riff(1, channels, rate, 16, 2 * channels, data, **options)


def extensible(samples: list[float], channels: int, mask: int, rate: int = 8000) -> bytes:
    """WAVE_FORMAT_EXTENSIBLE with a channel mask."""
    data = b"".join(struct.pack("<h", round(32767 * sample)) for sample in samples)
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    extra = struct.pack("<HHI", 22, 16, mask) + guid
    return riff(0xFFFE, channels, rate, 16, 2 * channels, data, extra=extra)


def big_endian(samples: list[float], rate: int = 8000) -> bytes:
    """RIFX."""
    data = b"".join(struct.pack(">h", round(32767 * sample)) for sample in samples)
    header = struct.pack(">HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    chunks = b"fmt " + struct.pack(">I", 16) + header + b"data" + struct.pack(">I", len(data)) + data
    return b"RIFX" + struct.pack(">I", 4 + len(chunks)) + b"WAVE" + chunks


def floats(samples: list[float], bits: int = 32, channels: int = 1, rate: int = 8000) -> bytes:
    data = struct.pack(f"<{len(samples)}{'f' if bits == 32 else 'd'}", *samples)
    return riff(3, channels, rate, bits, bits // 8 * channels, data)


def mutate(content: bytes, source: random.Random) -> bytes:
    """Changes, removes, repeats or inserts bytes, mostly near the beginning, where headers are."""
    changed = bytearray(content)
    for _ in range(source.choice((1, 2, 4, 16))):
        end = source.choice((64, 512, len(changed)))
        place = source.randrange(min(end, len(changed)) or 1)
        match source.randrange(6):
            case 0:
                changed[place : place + 1] = bytes([source.randrange(256)])
            case 1:
                changed[place : place + 4] = source.choice((b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
            case 2:
                del changed[place : place + source.choice((1, 4, 100))]
            case 3:
                changed[place:place] = changed[place : place + source.choice((8, 64, 1000))]
            case 4:
                changed[place:place] = source.randbytes(source.choice((1, 4, 32)))
            case _:
                del changed[place + 1 : source.choice((place + 2, place + 2, len(changed)))]
    return bytes(changed)


#: MP3 has no 37,800 Hz.
RATES = [8000, 11025, 16000, 44100, 48000, 37800]
LIMITED = {"gsm_ms": [8000, 16000], "g722": [8000, 16000], "g726": [8000, 16000], "libmp3lame": [8000, 44100]}


class Studio:
    """Makes recordings from one piece of audio; each kind once."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.master = folder / "master.wav"
        # Two different channels, with silence in between, so that peaks and prediction vary.
        left, right = noise(48_000, 1), noise(48_000, 2)
        frames = [
            sample for place, pair in enumerate(zip(left, right, strict=True))
            for sample in (pair if place // 12_000 != 2 else (0.0, 0.0))]
        self.master.write_bytes(pcm(frames, channels=2, rate=48_000))
        self._g729: bytes | None = None

    def make(self, name: str, *arguments: str | pathlib.Path, seconds: float = 0.7) -> pathlib.Path:
        path = self.folder / name
        if not path.exists():
            ffmpeg("-t", str(seconds), "-i", self.master, *arguments, path)
        return path

    def wav(self, codec: str, channels: int, rate: int) -> pathlib.Path:
        """One of the combinations that the tests need; one run makes all those with this codec and number of channels."""
        path = self.folder / f"{codec}-{channels}-{rate}.wav"
        if not path.exists():
            rates = {rate, *(RATES if codec not in LIMITED else LIMITED[codec])}
            outputs: list[str | pathlib.Path] = []
            for each in sorted(rates):
                outputs += ["-ac", str(channels), "-ar", str(each), "-c:a", codec, "-strict", "-2"]
                outputs.append(self.folder / f"{codec}-{channels}-{each}.wav")
            ffmpeg("-t", "0.7", "-i", self.master, *outputs)
        return path

    def amr(self) -> pathlib.Path:
        path = self.folder / "narrow.amr"
        if not path.exists():
            # FFmpeg's decoder does not support the frames with which AMR marks silence, such as that after 0.5 s.
            plain = self.make("narrow.wav", "-ac", "1", "-ar", "8000", seconds=0.4)
            run("sox", plain, "-t", "amr-nb", path)
        return path

    def g729(self) -> bytes:
        """Encoded by bcg729, because FFmpeg has no encoder."""
        if self._g729 is None:
            program = self.folder / "encode-g729"
            run("cc", "-O1", "-o", program, pathlib.Path(__file__).with_name("encode_g729.c"), "-lbcg729")
            samples = self.make("g729.raw", "-ac", "1", "-ar", "8000", "-f", "s16le").read_bytes()
            self._g729 = subprocess.run([program], input=samples, capture_output=True, check=True).stdout
        return self._g729

    def write(self, name: str, content: bytes) -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(content)
        return path
