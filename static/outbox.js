/** The outbox: answers stay in this browser until the server has acknowledged them, also over a reload. */

let name = "clipjury.outbox";
const LONGEST = 30; // seconds between two attempts
const KEPT_DAYS = 14;
const TIMEOUT = 10_000;

/** Keep this rater's answers apart: another study's numbers may name other clips. */
export function belongTo(sender) {
  name = `clipjury.outbox.${sender}`;
}

/** Seconds to wait before attempt 1, 2, 3, ...: 1, 2, 4, 8, 16, 30, 30.
 *  Example: wait(1) is 1, wait(4) is 8, wait(9) is 30. */
export function wait(attempt) {
  return Math.min(LONGEST, 2 ** (attempt - 1));
}

/** A new submission id. Plain-http pages on a local network have no randomUUID, but they have random bytes. */
export function submissionId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether a refusal may end by itself: the session has run out, or another rater used this browser. */
export function mayPass(status) {
  return status === 401 || status === 403;
}

/** Whether sending again is worth it: the server's trouble, not the answer's. */
export function worthRetrying(status) {
  return status >= 500 || status === 429 || status === 408;
}

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(name) ?? "[]");
    const oldest = Date.now() - KEPT_DAYS * 86_400_000;
    return Array.isArray(kept) ? kept.filter((entry) => entry.at > oldest) : [];
  } catch {
    return []; // no storage here, or not ours: then nothing is kept
  }
}

function write(entries) {
  try {
    localStorage.setItem(name, JSON.stringify(entries));
    return true;
  } catch {
    return false; // full or forbidden; the caller says so to the rater
  }
}

/** Keep an answer (its address and form fields); one per address, the newest. False when this browser keeps nothing. */
export function keep(address, fields) {
  return write([...read().filter((entry) => entry.address !== address), { address, fields, at: Date.now() }]);
}

/** Drop the answer to an address, once acknowledged; a newer submission than the acknowledged one stays. */
export function forget(address, submission) {
  write(read().filter((entry) => entry.address !== address || entry.fields.submission !== submission));
}

/** The kept answer to an address, or undefined. */
export function keptFor(address) {
  return read().find((entry) => entry.address === address);
}

/**
 * Send kept answers of other clips than the one on the page. Calls `tell` with the server's words on a final refusal.
 * Resolves to true when something is still unsent for lack of a connection.
 */
export async function sendOthers(current, tell) {
  let waiting = false;
  for (const { address, fields } of read().filter((entry) => entry.address !== current)) {
    try {
      const response = await fetch(address, {
        method: "POST",
        body: new URLSearchParams(fields),
        headers: { "HX-Request": "true" },
        signal: AbortSignal.timeout(TIMEOUT),
      });
      if (worthRetrying(response.status)) {
        waiting = true;
      } else if (!mayPass(response.status)) {
        if (!response.ok) tell(wordsOf(await response.text()));
        forget(address, fields.submission);
      }
    } catch {
      waiting = true; // offline or too slow: the next attempt answers it
    }
  }
  return waiting;
}

/** What a refusal says, without its markup. */
export function wordsOf(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const words = page.querySelector("[role=alert], #problem p") ?? page.body;
  return words.textContent.replace(/\s+/g, " ").trim() || "The server refused this answer without a word.";
}
