/**
 * Reads peaks in the BBC audiowaveform format, version 2, 8 bit: a header of 24 bytes, then one minimum and one maximum
 * for each point and channel. Throws for any other format.
 */
export function readPeaks(buffer) {
  const header = new DataView(buffer, 0, 24);
  const [version, flags, rate, samplesPerPoint, length, channels] =
    [0, 4, 8, 12, 16, 20].map((at) => header.getInt32(at, true));
  if (version !== 2 || !(flags & 1) || rate < 1 || samplesPerPoint < 1 || channels < 1 || channels > 8) {
    throw new Error('The waveform data is not in audiowaveform format, version 2, 8 bit.');
  }
  const points = Math.min(length >>> 0, Math.floor((buffer.byteLength - 24) / (2 * channels)));
  const data = new Int8Array(buffer, 24, points * channels * 2);
  let loudest = 1;
  for (const value of data) loudest = Math.max(loudest, Math.abs(value));
  return { data, channels, points, perSecond: rate / samplesPerPoint, gain: Math.min(127 / loudest, 4) };
}

/**
 * The pauses: `[[start, end], …]` in seconds, where all channels stay below the noise level for at least `atLeast`
 * seconds. Each is shortened by `margin` at both ends so that no word is clipped.
 */
export function pauses(peaks, atLeast = 1.5, margin = 0.25) {
  const { data, channels, points, perSecond } = peaks;
  const loudness = new Uint8Array(points);
  const counts = new Uint32Array(129);
  for (let i = 0; i < points; i++) {
    let most = 0;
    for (let j = i * channels * 2; j < (i + 1) * channels * 2; j++) most = Math.max(most, Math.abs(data[j]));
    loudness[i] = most;
    counts[most]++;
  }
  let noise = 0;
  for (let seen = 0; noise < 128 && (seen += counts[noise]) < points / 10; ) noise++;
  const quiet = Math.min(Math.max(noise * 2, 3), 10);
  const found = [];
  for (let i = 0, start = -1; i <= points; i++) {
    if (i < points && loudness[i] <= quiet) {
      if (start < 0) start = i;
    } else if (start >= 0) {
      if (i - start >= atLeast * perSecond) found.push([start / perSecond + margin, i / perSecond - margin]);
      start = -1;
    }
  }
  return found;
}
