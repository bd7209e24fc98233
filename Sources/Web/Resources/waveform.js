// Draws lanes of peaks on a canvas. The caller reads the colours from the style sheet.

/** Sizes a canvas in device pixels; returns its size in CSS pixels and a context scaled to them. */
function prepared(canvas) {
  const scale = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height, step: 1 / scale };
}

/**
 * Draws `lanes` (`{ channel, color, faded, top, height }`, in CSS pixels) from `start` over `span` seconds, on top of
 * `bands` (`{ from, to, color, edges }`, in seconds).
 */
export function draw(canvas, peaks, { start, span, lanes, bands = [] }) {
  const { pen, width, height, step } = prepared(canvas);
  const x = (time) => ((time - start) / span) * width;
  for (const { from, to, color, edges } of bands) {
    if (to < start || from > start + span) continue;
    pen.fillStyle = color;
    pen.globalAlpha = edges ? 0.16 : 0.08;
    pen.fillRect(x(from), 0, x(to) - x(from), height);
    pen.globalAlpha = 1;
    if (edges) for (const edge of [from, to]) pen.fillRect(Math.round(x(edge)) - 0.5, 0, 1, height);
  }
  for (const lane of lanes) {
    const middle = lane.top + lane.height / 2;
    pen.fillStyle = lane.color;
    pen.globalAlpha = lane.faded ? 0.3 : 1;
    pen.fillRect(0, middle - 0.5, width, 1);
    if (!peaks || lane.channel >= peaks.channels) continue;
    const reach = (lane.height / 2 / 128) * peaks.gain;
    const pointsPerPixel = (span * peaks.perSecond) / width;
    for (let at = 0; at < width; at += step) {
      const first = Math.floor(start * peaks.perSecond + at * pointsPerPixel);
      const last = Math.max(first + 1, Math.floor(start * peaks.perSecond + (at + step) * pointsPerPixel));
      let low = 0;
      let high = 0;
      for (let i = Math.max(first, 0); i < last && i < peaks.points; i++) {
        const j = (i * peaks.channels + lane.channel) * 2;
        if (peaks.data[j] < low) low = peaks.data[j];
        if (peaks.data[j + 1] > high) high = peaks.data[j + 1];
      }
      if (high - low > 1) pen.fillRect(at, middle - high * reach, step, (high - low) * reach);
    }
  }
  pen.globalAlpha = 1;
}
