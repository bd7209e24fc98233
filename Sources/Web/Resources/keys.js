// Keyboard shortcuts of a page. Single-key shortcuts can be switched off (WCAG 2.1.4); those with Ctrl do not conflict with
// speech input.
const setting = 'tapedeck.single-keys';
const actions = new Map();

const read = () => {
  try {
    return localStorage.getItem(setting);
  } catch {
    return null;
  }
};
let single = read() !== 'off';

export const singleKeys = () => single;

export function setSingleKeys(on) {
  single = on;
  try {
    localStorage.setItem(setting, on ? 'on' : 'off');
  } catch {
    // Without local storage the setting lasts until the page is left.
  }
}

/** Adds shortcuts: `{ 'j': next, 'Shift+ArrowLeft': … }`. An action that returns false leaves the key to the browser. */
export function keys(table) {
  for (const [name, action] of Object.entries(table)) actions.set(name, action);
}

const takesNoText = '[type=checkbox], [type=radio], [type=submit], [type=range]';
const types = `textarea, input:not(${takesNoText}), [contenteditable]`;
const takesKeys = 'select, input[type=range]';
const takesPress = 'a, button, summary, input';

// The element that was focused with the pointer. Space then plays, because the click has already taken effect; an element
// that was focused with the keyboard is pressed.
let pointed = null;
document.addEventListener('pointerdown', ({ target }) => (pointed = target.closest(`${takesKeys}, ${takesPress}`)));
document.addEventListener('focusin', ({ target }) => target === pointed || (pointed = null));
// Firefox presses a button when the key is released.
document.addEventListener('keyup', (event) => {
  const isPlay = event.key === ' ' && event.target === pointed && actions.has('Space') && single;
  if (isPlay && !document.querySelector('dialog[open]')) event.preventDefault();
});

document.addEventListener('keydown', (event) => {
  if (event.key === 'Tab') pointed = null;
  if (event.defaultPrevented || event.altKey || event.metaKey || event.isComposing) return;
  if (document.querySelector('dialog[open]')) return;
  const key = event.key === ' ' ? 'Space' : event.key;
  const printable = key.length === 1;
  const name =
    (event.ctrlKey ? 'Ctrl+' : '') + (event.shiftKey && !printable ? 'Shift+' : '') +
    (printable && !event.shiftKey ? key.toLowerCase() : key);
  const action = actions.get(name);
  if (!action) return;
  if (name !== 'Ctrl+Space') {
    if (!event.ctrlKey && !single) return;
    const { target } = event;
    if (target.matches(types)) return;
    const isPress = key === 'Space' || key === 'Enter';
    const isKept = target.matches(takesKeys) || (isPress && target.matches(takesPress));
    if (isKept && !(key === 'Space' && target === pointed)) return;
  }
  if (action(event) !== false) event.preventDefault();
});
