// The buttons of the two lanes: mute, solo, and which channel is whose.
import { find, laneItems, lanes, press, say, state } from './deck.js';
import { paint } from './drawing.js';
import { remember } from './link.js';

const swapButton = find('swap');

export function showLanes() {
  for (const item of laneItems) {
    const name = item.dataset.lane;
    press(item.querySelector('[data-mute]'), lanes.muted.has(name));
    press(item.querySelector('[data-solo]'), lanes.solo.has(name));
    item.toggleAttribute('data-silent', !lanes.heard(name));
  }
  press(swapButton, state.swapped);
  paint();
}

export function hearOnly(name) {
  lanes.only(name);
  showLanes();
  say(name ? `Playing the ${name} only` : 'Playing both channels');
}

for (const item of laneItems) {
  item.querySelector('[data-mute]')?.addEventListener('click', () => {
    lanes.toggle(lanes.muted, item.dataset.lane);
    showLanes();
  });
  item.querySelector('[data-solo]')?.addEventListener('click', () => {
    lanes.toggle(lanes.solo, item.dataset.lane);
    showLanes();
  });
}

swapButton?.addEventListener('click', () => {
  state.swapped = !state.swapped;
  lanes.apply();
  showLanes();
  remember();
  say(state.swapped ? 'Channels swapped: the agent is now on the other channel' : 'Channels as recorded');
});
