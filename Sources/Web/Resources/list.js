// Shortcuts and filters of a list: j and k move between rows, / goes to the search field. The browser handles Enter on a
// row's link.
import { keys } from './keys.js';

const rows = [...document.querySelectorAll('tr[data-row]')];

function step(by) {
  const here = rows.indexOf(document.activeElement?.closest('tr[data-row]'));
  const row = rows[here < 0 ? 0 : Math.min(Math.max(here + by, 0), rows.length - 1)];
  if (!row) return false;
  const link = row.querySelector('th a');
  if (!link) row.tabIndex = -1;
  (link ?? row).focus();
  row.scrollIntoView({ block: 'nearest' });
}

// Empty filters are left out of the address.
document.querySelector('.filters')?.addEventListener('formdata', ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});

keys({
  j: () => step(1),
  k: () => step(-1),
  '/': () => {
    const search = document.getElementById('search');
    search?.focus();
    search?.select();
  },
});
