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

const takesText = 'textarea, select, input:not([type=checkbox], [type=radio], [type=submit]), [contenteditable]';
const takesPress = 'a, button, summary, input';

document.addEventListener('keydown', (event) => {
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
    if (event.target.matches(takesText)) return;
    if ((key === 'Space' || key === 'Enter') && event.target.matches(takesPress)) return;
  }
  if (action(event) !== false) event.preventDefault();
});
