/** The rating room: puts a clip on the screen, takes the answer by key or click, sends it and goes on to the next. */

// Static files are cached for a year under their version, so the parts are asked for under the same version as this.
const { search: version } = new URL(import.meta.url);
const [{ Facts }, { keyName, wantedBy }, { Player, Shelf }, outbox] = await Promise.all(
  ["facts", "keys", "player", "outbox"].map((name) => import(`./${name}.js${version}`)),
);

const PAUSE = 350; // ms between the last answer and sending it, time enough to see and to change one's mind
const BREAK_AFTER = 25 * 60_000;
const BREAK_LENGTH = 5 * 60_000;

const shelf = new Shelf();
let player = null;
let facts = null;
let advance = null; // timer of the pause
let attempt = 0; // sends of the present answer that failed in a row
let retry = null; // timer of the next attempt
let resume = null; // the clip that leaves with a swap, and whether it was playing

const room = () => document.getElementById("room");
const form = () => document.getElementById("answers");
const act = (name) => room().querySelector(`a[data-act=${name}]`);
const radios = () => [...(form()?.querySelectorAll("input[type=radio]") ?? [])];
const chosen = () => radios().filter((radio) => radio.checked).map((radio) => [radio.name, radio.value]);
const complete = () => chosen().length === new Set(radios().map((radio) => radio.name)).size;

/* --- A room appears ---------------------------------------------------------------------------------------------- */

function open({ swapped }) {
  const { media, next, place, editing } = room().dataset;
  if (swapped) announce(place);
  remindOfBreak();
  const slot = room().querySelector("video.clip");
  if (!slot) return;
  const same = resume?.media === media;
  if (!same || editing !== undefined) {
    facts = new Facts();
    facts.begin(chosen());
  }
  const video = settle(slot, media);
  player = new Player(room().querySelector(".screen"), video, {
    onFailure: (name) => facts.failed(name),
    onFlowing: () => shelf.load(next), // only now, so that it takes nothing from the clip on the screen
  });
  facts.watch(video, player.signal);
  if (!same && video.paused) player.start(); // playing already: the page's own autoplay was quicker
  if (same && resume.playing) player.toggle();
  if (same && !resume.playing) shelf.load(next);
}

/** Put the loaded video in the place of the page's own; without one, let the page's own load. */
function settle(slot, media) {
  const loaded = shelf.take(media);
  if (!loaded) {
    if (!slot.src) slot.src = media;
    return slot;
  }
  loaded.className = slot.className;
  loaded.setAttribute("aria-label", slot.getAttribute("aria-label"));
  slot.replaceWith(loaded);
  return loaded;
}

function announce(place) {
  document.getElementById("live").textContent = place;
  document.getElementById("questions")?.focus({ preventScroll: true });
}

/** A sitting ends by itself after five minutes without a new clip. */
function remindOfBreak() {
  const note = document.getElementById("break");
  const now = Date.now();
  try {
    const { start = now, last = now } = JSON.parse(sessionStorage.getItem("clipjury.sitting") ?? "{}");
    const begun = now - last > BREAK_LENGTH ? now : start;
    sessionStorage.setItem("clipjury.sitting", JSON.stringify({ start: begun, last: now }));
    if (note) note.hidden = now - begun < BREAK_AFTER;
  } catch {
    if (note) note.hidden = true; // this browser stores nothing: no reminder
  }
}

/* --- Answers ----------------------------------------------------------------------------------------------------- */

const sending = () => form()?.dataset.sending !== undefined;

function choose(radio) {
  if (radio.matches(":disabled") || radio.checked || sending()) return;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
}

function stopAdvance() {
  clearTimeout(advance);
  advance = null;
  room().removeAttribute("data-advancing");
}

function answered(radio) {
  facts.chose(radio.name, radio.value);
  stopRetry();
  stopAdvance();
  if (!complete()) return;
  void room().offsetWidth; // starts the bar anew
  room().setAttribute("data-advancing", "");
  advance = setTimeout(() => form()?.requestSubmit(), PAUSE);
}

/** The same values keep their submission id over every attempt; other values are another answer with its own. */
function fill(sent) {
  const values = JSON.stringify(chosen());
  if (sent.dataset.values !== values) {
    sent.dataset.values = values;
    sent.elements.submission.value = outbox.submissionId();
    attempt = 0;
  }
  sent.elements.facts.value = JSON.stringify(facts);
}

document.addEventListener("change", (event) => {
  if (event.target.matches("#answers input[type=radio]")) answered(event.target);
});

// While an answer is on its way its values hold still: a change made now would be swept away with the page.
document.addEventListener(
  "click",
  (event) => {
    if (sending() && event.target.matches("#answers input[type=radio]")) event.preventDefault();
  },
  true,
);

document.addEventListener(
  "submit",
  (event) => {
    stopAdvance();
    if (event.target !== form()) return;
    if (sending()) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    if (!complete()) return;
    stopRetry();
    fill(form());
    form().dataset.kept = outbox.keep(form().getAttribute("action"), Object.fromEntries(new FormData(form())));
    form().dataset.sending = "";
    state("saving", "Saving…");
  },
  true,
);

/* --- Sending: htmx sends the form, these say how it went --------------------------------------------------------- */

function state(name, words) {
  const place = document.getElementById("save-state");
  if (!place) return;
  place.dataset.state = name;
  place.textContent = words;
}

function tell(...parts) {
  document.getElementById("problem")?.replaceChildren(...parts);
}

function stopRetry() {
  if (retry === null) return;
  clearInterval(retry);
  retry = null;
  tell();
}

function tryLater() {
  attempt += 1;
  let left = outbox.wait(attempt);
  const words = document.createElement("p");
  const count = document.createElement("span");
  count.ariaHidden = "true"; // the countdown is not read out every second
  const kept = form().dataset.kept === "true" ? "Saved here, not yet on the server" : "Not saved yet, keep this page open";
  words.append(`${kept}: trying again`, count);
  const draw = () => (count.textContent = ` in ${left}\u00a0s`);
  draw();
  tell(words);
  state("unsaved", "Not saved");
  clearInterval(retry);
  retry = setInterval(() => {
    left -= 1;
    draw();
    if (left <= 0) sendAgain();
  }, 1000);
}

function sendAgain() {
  clearInterval(retry);
  retry = null;
  form()?.requestSubmit();
}

function failed({ sourceElement }) {
  if (sourceElement === form()) {
    delete form().dataset.sending;
    tryLater();
  } else if (form()?.dataset.sending !== undefined) {
    delete form().dataset.sending; // it waited behind the request that failed, and was dropped
    sendAgain();
  } else {
    const words = document.createElement("p");
    words.textContent = "The server cannot be reached. Try again in a moment.";
    tell(words);
  }
}

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement !== form()) stopAdvance(); // going elsewhere: the answer waits for its own key
});

document.addEventListener("htmx:error", ({ detail }) => {
  // After an answer has come an error is ours and not the network's: no sending again would mend it.
  if (detail.ctx && detail.ctx.text === undefined) failed(detail.ctx);
});

document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement !== form()) return;
  const { status } = ctx.response;
  if (outbox.worthRetrying(status)) {
    ctx.swap = "none";
    return failed(ctx);
  }
  delete form().dataset.sending;
  if (!outbox.mayPass(status)) outbox.forget(form().getAttribute("action"), form().elements.submission.value);
  ctx.saved = status < 400;
  if (!ctx.saved) state("unsaved", "Not saved");
});

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx, tasks } = event.detail;
  const [main] = tasks;
  if (main?.target?.id !== "room" || main.swapSpec.style === "none") return;
  if (!main.fragment.querySelector("#room")) return notARoom(event, ctx, main);
  for (const video of main.fragment.querySelectorAll("video")) video.removeAttribute("src"); // or it would load twice
  stopAdvance();
  stopRetry();
  attempt = 0;
  leave();
});

/** Words instead of a room: a refusal is shown at the answers, which stay; anything else needs the whole page. */
function notARoom(event, ctx, main) {
  if (ctx.response.status >= 400) {
    main.target = document.getElementById("problem");
    main.swapSpec = { style: "innerHTML" };
  } else {
    event.preventDefault();
    window.location.assign("/rate");
  }
}

/** Take the clip off the screen onto the shelf, still loaded. */
function leave() {
  if (!player) return;
  const { video } = player;
  const { media } = room().dataset;
  resume = { media, playing: !video.paused };
  player.close();
  if (!video.error) shelf.put(media, video);
  player = null;
}

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (player || !room()) return; // the room stayed: only words were put in
  open({ swapped: true });
  resume = null;
  if (ctx.saved) state("saved", "Saved");
});

window.addEventListener("online", () => {
  if (retry !== null) sendAgain();
});

/* --- Keys -------------------------------------------------------------------------------------------------------- */

const panel = (name) => room().querySelector(`details[data-panel=${name}]`);
const opened = () => room().querySelector("details.panel[open]");

function toggle(name) {
  const details = panel(name);
  if (!details) return;
  details.open = !details.open;
  if (details.open) details.querySelector("summary + *").querySelector("button, a")?.focus();
}

function closePanel() {
  const details = opened();
  if (!details) return;
  const inside = details.contains(document.activeElement);
  details.open = false;
  if (inside) details.querySelector("summary").focus();
}

const COMMANDS = {
  Space: () => player?.toggle(),
  KeyB: () => player?.replay(),
  KeyN: () => player?.sound(),
  ",": () => player?.step(-1),
  ".": () => player?.step(1),
  KeyZ: () => act("undo")?.click(),
  KeyS: () => toggle("skip"),
  KeyG: () => toggle("guidelines"),
  "?": () => toggle("help"),
  Escape: closePanel,
  Enter: () => (act("next") ? act("next").click() : form()?.requestSubmit()),
};

/** What a key does now: while the reasons for skipping are open the digits choose one, else they answer. */
function commandOf(name) {
  const target = (opened()?.dataset.panel === "skip" ? opened() : form())?.querySelector(`[data-code="${CSS.escape(name)}"]`);
  if (target instanceof HTMLButtonElement) return () => target.click();
  if (target) return () => choose(target);
  return COMMANDS[name];
}

document.addEventListener("keydown", (event) => {
  const name = keyName(event);
  if (!name || event.defaultPrevented || wantedBy(event.target, name)) return;
  const command = commandOf(name);
  if (!command) return;
  event.preventDefault();
  if (!event.repeat || name === "," || name === ".") command();
});

document.addEventListener("click", (event) => {
  const details = opened();
  if (details && !details.contains(event.target)) details.open = false;
});

/* --- The page begins --------------------------------------------------------------------------------------------- */

/** An answer that a reload interrupted: put it back into the form and send it. */
async function sendInterrupted() {
  const kept = form() && outbox.keptFor(form().getAttribute("action"));
  if (!kept) return;
  for (const radio of radios()) radio.checked = kept.fields[radio.name] === radio.value;
  if (!complete()) return;
  form().dataset.values = JSON.stringify(chosen());
  form().elements.submission.value = kept.fields.submission;
  facts.begin(chosen());
  if (!form().hasAttribute("data-htmx-powered")) {
    await new Promise((done) => document.addEventListener("htmx:after:process", done, { once: true }));
  }
  form().requestSubmit();
}

async function sendLeftOver() {
  const waiting = await outbox.sendOthers(form()?.getAttribute("action"), (words) => {
    tell(Object.assign(document.createElement("p"), { textContent: `An earlier answer was refused: ${words}` }));
  });
  if (waiting) setTimeout(sendLeftOver, 30_000);
}

outbox.belongTo(room().dataset.sender);
open({ swapped: false });
sendInterrupted();
sendLeftOver();
