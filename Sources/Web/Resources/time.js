/** 252 → "4:12", 3600 → "1:00:00". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const two = (n) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** 252 → "4 minutes 12 seconds". */
export function words(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const parts = [[Math.floor(whole / 3600), 'hour'], [Math.floor(whole / 60) % 60, 'minute'], [whole % 60, 'second']]
    .filter(([n]) => n)
    .map(([n, unit]) => `${n} ${unit}${n === 1 ? '' : 's'}`);
  return parts.join(' ') || '0 seconds';
}

/** Parses "252", "4:12", "1:00:00" or "4m12s" as seconds; null for anything else. */
export function seconds(text) {
  const typed = String(text ?? '').trim();
  if (/^\d+(\.\d+)?$/.test(typed)) return Number(typed);
  const colons = /^(?:(\d+):)?(\d{1,3}):([0-5]?\d(?:\.\d+)?)$/.exec(typed);
  const letters = /^(?=.)(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?$/i.exec(typed);
  const [, h, m, s] = colons ?? letters ?? [];
  if (!colons && !letters) return null;
  return Number(h ?? 0) * 3600 + Number(m ?? 0) * 60 + Number(s ?? 0);
}
