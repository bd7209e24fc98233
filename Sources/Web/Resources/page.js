// On every page: the dialog of keyboard shortcuts, its switch, and copy buttons.
import { keys, setSingleKeys, singleKeys } from './keys.js';

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
