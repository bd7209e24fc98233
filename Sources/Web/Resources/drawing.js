// Draws both waveforms, their rulers and the position.
import { audio, channelOf, deck, duration, find, laneItems, lanes, slider, state, zoomed } from './deck.js';
import { bands as stageBands, marks } from './passages.js';
import { drawRuler } from './ruler.js';
import { draw } from './waveform.js';

export function paint() {
  const { color } = getComputedStyle(deck);
  const accent = getComputedStyle(find('play')).backgroundColor;
  const colors = laneItems.map((item) => getComputedStyle(item).color);
  const lane = (item, index, height) => ({
    channel: channelOf(item), color: colors[index], faded: !lanes.heard(item.dataset.lane),
    top: index * height, height,
  });
  const { loop, peaks, quiet, skipping, view } = state;
  const bands = stageBands();
  if (skipping) bands.push(...quiet.map(([from, to]) => ({ from, to, color })));
  if (loop.from !== null || loop.to !== null) {
    bands.push({ from: loop.from ?? 0, to: loop.to ?? duration(), color: accent, edges: true });
  }
  const ruler = getComputedStyle(find('ruler'));
  const axis = { color: ruler.color, font: `${ruler.fontSize} ${ruler.fontFamily}` };
  drawRuler(find('overview-ruler'), { start: 0, span: duration() || 1, ...axis });
  drawRuler(find('ruler'), { start: view.start, span: view.span || duration() || 1, ...axis });
  const overview = find('overview');
  const small = overview.clientHeight / laneItems.length;
  draw(overview, peaks, {
    start: 0, span: duration() || 1, bands, marks: marks(), lanes: laneItems.map((item, index) => lane(item, index, small)),
  });
  draw(find('lanes'), peaks, {
    start: view.start, span: view.span || duration() || 1, bands, marks: marks(), font: axis.font,
    lanes: laneItems.map((item, index) => {
      // The strip at the top holds the lane's name and buttons.
      const { offsetTop, offsetHeight } = item;
      return { ...lane(item, index, 0), top: offsetTop + 24, height: offsetHeight - 28 };
    }),
  });
  paintPosition();
}

export function paintPosition() {
  const { view } = state;
  const total = duration() || 1;
  const at = audio.currentTime;
  const whole = slider.clientWidth;
  find('overview-playhead').style.transform = `translateX(${(at / total) * whole}px)`;
  const inView = (at - view.start) / (view.span || total);
  const playhead = find('playhead');
  playhead.hidden = inView < 0 || inView > 1;
  playhead.style.transform = `translateX(${inView * zoomed.clientWidth}px)`;
  const frame = find('window');
  frame.hidden = !view.span || view.span >= total;
  frame.style.width = `${((view.span || total) / total) * whole}px`;
  frame.style.transform = `translateX(${(view.start / total) * whole}px)`;
}

new ResizeObserver(paint).observe(zoomed);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
matchMedia('(forced-colors: active)').addEventListener('change', paint);
