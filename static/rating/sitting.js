/** A sitting: when a break is offered, and how the server learns that the rater is still there. */

const BREAK_LENGTH = 5 * 60_000; // so long without a new clip ends a sitting
const ALIVE_EVERY = 60_000;

let lastAlive = performance.now();

/** Whether the sitting has lasted longer than `minutes`; asked whenever a clip appears. */
export function breakIsDue(minutes) {
  const now = Date.now();
  try {
    const { start = now, last = now } = JSON.parse(sessionStorage.getItem("clipjury.sitting") ?? "{}");
    const begun = now - last > BREAK_LENGTH ? now : start;
    sessionStorage.setItem("clipjury.sitting", JSON.stringify({ start: begun, last: now }));
    return now - begun >= minutes * 60_000;
  } catch {
    return false; // this browser stores nothing: no reminder
  }
}

/** The rater watches or presses keys: at most once a minute the server hears of it and renews the lease. */
export function alive(address) {
  const now = performance.now();
  if (!address || now - lastAlive < ALIVE_EVERY) return;
  lastAlive = now;
  fetch(`${address}/alive`, { method: "POST", keepalive: true }).catch(() => {}); // offline: the next minute asks again
}
