/** The outbox: answers stay in this browser until the server has acknowledged them, also over a reload or a crash.
 *
 * They are kept in IndexedDB; where a browser has none (some private windows), in localStorage. */

const LONGEST = 30; // seconds between two attempts
const KEPT_DAYS = 14;
const TIMEOUT = 10_000;
const STORE = "answers";

let sender = "";

/** Keep this rater's answers apart: another study's numbers may name other clips. */
export function belongTo(rater) {
  sender = rater;
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

/* --- Where answers are kept: `change(read entries) -> entries to write` for each of the two stores ------------------ */

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

let opened = null;

function base() {
  opened ??= (async () => {
    const request = indexedDB.open("clipjury", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: ["sender", "address"] });
    return done(request);
  })();
  return opened;
}

async function inBase(mode, act) {
  const transaction = (await base()).transaction(STORE, mode, { durability: "strict" });
  const result = await done(act(transaction.objectStore(STORE)));
  if (mode === "readonly") return result;
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(result);
    transaction.onabort = () => reject(transaction.error);
  });
}

const plainName = () => `clipjury.outbox.${sender}`;

function plain() {
  try {
    const kept = JSON.parse(localStorage.getItem(plainName()) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return []; // no storage here, or not ours: then nothing is kept
  }
}

function writePlain(entries) {
  try {
    localStorage.setItem(plainName(), JSON.stringify(entries));
    return true;
  } catch {
    return false; // full or forbidden; the caller says so to the rater
  }
}

async function all() {
  const oldest = Date.now() - KEPT_DAYS * 86_400_000;
  let kept = [];
  try {
    kept = await inBase("readonly", (store) => store.getAll(IDBKeyRange.bound([sender], [sender, []])));
  } catch {
    // no IndexedDB here: what there is lies in localStorage
  }
  return [...kept, ...plain()].filter((entry) => entry.at > oldest).sort((one, other) => one.at - other.at);
}

/** Keep an answer (its address and form fields as pairs); one per address, the newest. False when nothing can be kept. */
export async function keep(address, fields) {
  const entry = { sender, address, fields, submission: Object.fromEntries(fields).submission, at: Date.now() };
  try {
    await inBase("readwrite", (store) => store.put(entry));
    return true;
  } catch {
    return writePlain([...plain().filter((other) => other.address !== address), entry]);
  }
}

/** Drop the answer to an address, once acknowledged; a newer submission than the acknowledged one stays. */
export async function forget(address, submission) {
  const left = plain();
  if (left.length > 0) writePlain(left.filter((entry) => entry.address !== address || entry.submission !== submission));
  try {
    await inBase("readwrite", (store) => {
      const look = store.get([sender, address]); // one transaction: another tab may just be writing
      look.addEventListener("success", () => look.result?.submission === submission && store.delete([sender, address]));
      return look;
    });
  } catch {
    // no IndexedDB here: it was in localStorage
  }
}

/** The kept answer to an address, or undefined. */
export async function keptFor(address) {
  return (await all()).find((entry) => entry.address === address);
}

/* --- Sending what other pages left --------------------------------------------------------------------------------- */

/**
 * Send kept answers of other clips than the one on the page. Calls `tell` with the server's words on a final refusal.
 * Resolves to true when something is still unsent for lack of a connection.
 */
export async function sendOthers(current, tell) {
  let waiting = false;
  for (const { address, fields, submission } of (await all()).filter((entry) => entry.address !== current)) {
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
        await forget(address, submission);
      }
    } catch {
      waiting = true; // offline or too slow: the next attempt answers it
    }
  }
  return waiting;
}

/** What a refusal says, without its markup; "" when it says nothing. */
export function wordsOf(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const words = page.querySelector("[role=alert], #problem p") ?? page.body;
  return words.textContent.replace(/\s+/g, " ").trim();
}
