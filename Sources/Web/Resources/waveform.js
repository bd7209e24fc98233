// Draws lanes of peaks on a canvas. The caller reads the colors from the style sheet.

import { prepared } from './canvas.js';

// From this many points in a column on, the root mean square of the peaks is drawn as well: when minutes are
// shown, the peaks alone look like a solid block.
const manyPoints = 8;

/**
 * Draws `lanes` (`{ channel, color, faded, top, height }`, in CSS pixels) from `start` over `span` seconds, on top of
 * `bands` (`{ from, to, color, edges }`, in seconds).
 */
export function draw(canvas, peaks, { start, span, lanes, bands = [] }) {
  const { pen, width, height, scale } = prepared(canvas);
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
}
