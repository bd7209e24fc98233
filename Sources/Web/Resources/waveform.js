// Draws lanes of peaks on a canvas. The caller reads the colors from the style sheet.

import { prepared } from './canvas.js';

// From this many points in a column on, the RMS level is drawn as well: over minutes, the peaks alone are a solid block.
const manyPoints = 8;

/**
 * Draws `lanes` (`{ channel, color, faded, top, height }`, in CSS pixels) from `start` over `span` seconds, on top of
 * `bands` (`{ from, to, color, edges, label }`, in seconds) and below `marks` (`{ at, color, label }`). Labels are drawn
 * where there is a `font`.
 */
export function draw(canvas, peaks, { start, span, lanes, bands = [], marks = [], font }) {
  const { pen, width, height, scale } = prepared(canvas);
  const x = (time) => ((time - start) / span) * width;
  for (const { from, to, color, edges, label } of bands) {
    if (to < start || from > start + span) continue;
    pen.fillStyle = color;
    pen.globalAlpha = edges || label ? 0.16 : 0.08;
    pen.fillRect(x(from), 0, x(to) - x(from), height);
    pen.globalAlpha = 1;
    if (edges) for (const edge of [from, to]) pen.fillRect(Math.round(x(edge)) - 0.5, 0, 1, height);
  }
  for (const lane of lanes) {
    const middle = lane.top + lane.height / 2;
    pen.fillStyle = lane.color;
    const opacity = lane.faded ? 0.3 : 1;
    pen.globalAlpha = opacity;
    pen.fillRect(0, middle - 0.5, width, 1);
    if (!peaks || lane.channel >= peaks.channels) continue;
    const reach = (lane.height / 2 / 128) * peaks.gain;
    const pointsPerPixel = (span * peaks.perSecond) / width;
    // A column is one CSS pixel wide on every screen; its edges are at device pixels, so that no seams show.
    const edge = (position) => Math.round(position * scale) / scale;
    for (let at = 0; at < width; at += 1) {
      const left = edge(at);
      const column = edge(at + 1) - left;
      const first = Math.floor(start * peaks.perSecond + at * pointsPerPixel);
      const last = Math.max(first + 1, Math.floor(start * peaks.perSecond + (at + 1) * pointsPerPixel));
      let low = 0;
      let high = 0;
      let squares = 0;
      for (let i = Math.max(first, 0); i < last && i < peaks.points; i++) {
        const j = (i * peaks.channels + lane.channel) * 2;
        if (peaks.data[j] < low) low = peaks.data[j];
        if (peaks.data[j + 1] > high) high = peaks.data[j + 1];
        squares += (peaks.data[j + 1] - peaks.data[j]) ** 2;
      }
      if (high - low <= 1) continue;
      if (last - first < manyPoints) {
        pen.fillRect(left, middle - high * reach, column, (high - low) * reach);
      } else {
        const mean = Math.sqrt(squares / (last - first));
        pen.globalAlpha = opacity * 0.35;
        pen.fillRect(left, middle - high * reach, column, (high - low) * reach);
        pen.globalAlpha = opacity;
        pen.fillRect(left, middle - (mean / 2) * reach, column, mean * reach);
      }
    }
  }
  pen.globalAlpha = 1;
  for (const { at, color } of marks) {
    if (at < start || at > start + span) continue;
    pen.fillStyle = color;
    for (let y = 0; y < height; y += 6) pen.fillRect(Math.round(x(at)) - 1, y, 2, 4);
  }
  if (!font) return;
  const labelled = [
    ...bands.filter(({ label }) => label).map(({ from, to, ...band }) => ({ ...band, left: x(from), right: x(to) })),
    ...marks.map(({ at, ...mark }) => ({ ...mark, left: x(at), right: width })),
  ];
  const bottom = Math.max(...lanes.map(({ top, height: own }) => top + own));
  for (const label of labelled) drawLabel(pen, font, bottom, label);
}

/** Draws the label of a passage, cut off where the passage ends; `left` and `right` are in CSS pixels. */
function drawLabel(pen, font, bottom, { label, color, left, right }) {
  const start = Math.max(left, 0);
  if (right <= start) return;
  pen.save();
  pen.beginPath();
  pen.rect(start, 0, right - start, bottom);
  pen.clip();
  pen.font = font;
  pen.textBaseline = 'bottom';
  pen.fillStyle = color;
  pen.fillText(label, start + 4, bottom);
  pen.restore();
}
