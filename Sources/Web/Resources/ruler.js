// Draws a time axis below a waveform.
import { prepared } from './canvas.js';
import { clock } from './time.js';

const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400];
const labelWidth = 64;

/** The seconds between labels, and between ticks, of `span` seconds over `width` pixels. */
export function intervals(span, width) {
  const wanted = (span / Math.max(width, 1)) * labelWidth;
  const label = steps.find((step) => step >= wanted) ?? Math.ceil(wanted / 86400) * 86400;
  const tick = [...steps].reverse().find((step) => step < label && label % step === 0 && label / step <= 6);
  return { label, tick: tick ?? label };
}

/** Draws the ticks and labels of the time from `start` over `span` seconds. */
export function drawRuler(canvas, { start, span, color, font }) {
  const { pen, width, height } = prepared(canvas);
  const { label, tick } = intervals(span, width);
  pen.fillStyle = color;
  pen.font = font;
  pen.textBaseline = 'middle';
  for (let at = Math.ceil(start / tick) * tick; at <= start + span; at += tick) {
    const x = ((at - start) / span) * width;
    const isLabelled = at % label === 0;
    pen.globalAlpha = isLabelled ? 1 : 0.5;
    pen.fillRect(Math.min(Math.round(x), width - 1), 0, 1, isLabelled ? 5 : 3);
    pen.globalAlpha = 1;
    if (!isLabelled) continue;
    const text = clock(at);
    const { width: needed } = pen.measureText(text);
    // The first and the last label stay within the canvas.
    const left = Math.min(Math.max(x - needed / 2, 2), width - needed - 2);
    if (left + needed / 2 >= x - needed && left >= 0) pen.fillText(text, left, height / 2 + 2);
  }
}
