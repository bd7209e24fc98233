// On every page: the dialog of keyboard shortcuts, its switch, copy buttons, the current tab, and the time zone of the browser.
import { keys, setSingleKeys, singleKeys } from './keys.js';
import { prefer } from './preferences.js';

const dialog = document.getElementById('shortcuts');
if (dialog) {
  const onOff = document.getElementById('shortcuts-switch');
  onOff.checked = singleKeys();
  onOff.addEventListener('change', () => setSingleKeys(onOff.checked));
  const open = () => dialog.showModal();
  document.querySelector('[data-open-shortcuts]').addEventListener('click', open);
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  keys({ '?': open });
}

for (const button of document.querySelectorAll('[data-copy]')) {
  const label = button.textContent;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Copy failed';
    }
    setTimeout(() => (button.textContent = label), 2000);
  });
}

// On narrow screens the tabs scroll; the current one must be visible.
const tabs = document.querySelector('.top-nav');
const current = tabs?.querySelector('[aria-current]');
if (current) tabs.scrollLeft = current.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - current.offsetWidth) / 2;

// The server renders times. It learns the browser's zone with the sign-in, or here when the zone has changed since.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const known = document.documentElement.dataset.zone;
if (zone && known !== undefined && known !== zone) prefer({ browserTimeZone: zone });
for (const field of document.querySelectorAll('[data-browser-zone]')) field.value = zone ?? '';
