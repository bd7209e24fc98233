// Polls a job until it ends, then reloads the page.
const box = document.getElementById('job');
const message = document.getElementById('job-message');
const bar = document.getElementById('job-progress');
const amount = document.getElementById('job-bytes');
const stages = [...document.querySelectorAll('.stages li')];

const number = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const mebibytes = (n) => `${number.format(n / 1048576)} MiB`;

function show(job) {
  const at = stages.findIndex((item) => item.dataset.stage === job.stage);
  stages.forEach((item, index) => {
    item.dataset.state = index < at ? 'done' : index === at ? 'current' : 'todo';
    index === at ? item.setAttribute('aria-current', 'step') : item.removeAttribute('aria-current');
  });
  if (job.message && message.textContent !== job.message) message.textContent = job.message;
  bar.hidden = !job.totalBytes;
  if (job.totalBytes) {
    bar.max = job.totalBytes;
    bar.value = job.bytes ?? 0;
  }
  amount.textContent = job.bytes
    ? job.totalBytes ? `${mebibytes(job.bytes)} of ${mebibytes(job.totalBytes)}` : mebibytes(job.bytes)
    : '';
}

async function follow() {
  try {
    const answer = await fetch(box.dataset.job, { headers: { Accept: 'application/json' }, cache: 'no-store' });
    if (answer.status === 401 || answer.status === 403) return location.reload();
    if (answer.ok) {
      const job = await answer.json();
      if (job.stage === 'ready' || job.state === 'failed' || job.state === 'cancelled') return location.reload();
      show(job);
    }
  } catch {
    // The server restarts or the network is down. The job does not depend on this page, so poll again.
  }
  setTimeout(follow, 2000);
}

setTimeout(follow, 1000);
