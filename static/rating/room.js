/** The rating room: puts a clip on the screen, takes the answer by key or click, sends it and continues with the next. */

import * as curve from "./curve.js";
import { Facts } from "./facts.js";
import * as keys from "./keys.js";
import { Marks } from "./marks.js";
import * as outbox from "./outbox.js";
import * as panels from "./panels.js";
import { Player, Shelf, clock } from "./player.js";
import * as scales from "./scales.js";
import { Sending } from "./sending.js";
import * as sitting from "./sitting.js";
import { say } from "./words.js";

const PAUSE = 350; // ms between the last answer and sending it, time enough to see and to change one's mind
const SEEN_TO_END = 0.98; // share of the clip: players stop a frame or two early

const shelf = new Shelf();
let player = null;
let facts = null;
let marks = null;
let advance = null; // timer of the pause
let resume = null; // the clip that leaves with a swap, and whether it was playing

const room = () => document.getElementById("room");
const form = () => document.getElementById("answers");
const act = (name) => room().querySelector(`a[data-act=${name}]`);
const address = () => form()?.getAttribute("action");
const bindings = new keys.Bindings(room().dataset.sender);
const changing = new keys.Changing(bindings, say);
const way = new Sending(form, outbox.wait, say);

/* --- A room appears ---------------------------------------------------------------------------------------------- */

function open({ swapped }) {
  const { media, next, place, editing } = room().dataset;
  if (swapped) announce(place);
  changing.begin();
  const slot = room().querySelector("video.clip");
  if (!slot) return;
  document.getElementById("break").hidden = !sitting.breakIsDue(Number(room().dataset.break));
  scales.prepare(form(), say("untouched"));
  const same = resume?.media === media;
  if (!same || editing !== undefined) {
    facts = new Facts();
    beginFacts();
  }
  const video = settle(slot, media);
  const loadAhead = () => next.split(" ").forEach((one) => shelf.load(one));
  player = new Player(room().querySelector(".screen"), video, {
    onFailure: (name) => {
      facts.failed(name);
      unlock();
      return say(name);
    },
    onFlowing: loadAhead, // only now, so that it takes nothing from the clip on the screen
  });
  facts.watch(video, player.signal);
  begun(same);
  if (!same && video.paused) player.start(); // playing already: the page's own autoplay was quicker
  if (same && resume.playing) player.toggle();
  if (same && !resume.playing) loadAhead();
}

/** What belongs to the clip on the screen besides its playback: marks, the lock, the curve, signs of life. */
function begun(same) {
  const { video, signal } = player;
  const earlier = same && marks && room().dataset.editing === undefined ? marks.toJSON() : JSON.parse(room().dataset.marks);
  const fixed = form()?.querySelector("fieldset[disabled]") !== null && room().dataset.locked === undefined;
  marks = new Marks(room().querySelector(".screen"), player, earlier, { say, clock, fixed });
  curve.show(room(), room().querySelector(".curve-of[data-fails=true]") ?? room().querySelector(".curve-of"));
  if (room().dataset.locked !== undefined && facts.seenShare < SEEN_TO_END) scales.lock(form(), true);
  for (const type of ["timeupdate", "ended"]) {
    video.addEventListener(
      type,
      () => {
        sitting.alive(address());
        if (facts.seenShare >= SEEN_TO_END) unlock();
      },
      { signal },
    );
  }
}

/** The clip has been seen to its end (or cannot be): the answers open. */
function unlock() {
  if (room().dataset.locked === undefined) return;
  delete room().dataset.locked;
  scales.lock(form(), false);
  document.getElementById("locked").hidden = true;
  document.getElementById("live").textContent = say("unlocked");
}

const beginFacts = () =>
  facts.begin(scales.values(form()).map(([field]) => [field, scales.valueOf(form(), field)]));

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

function mark() {
  const words = marks?.add();
  if (words) document.getElementById("live").textContent = words;
}

/* --- Answers ----------------------------------------------------------------------------------------------------- */

const sending = () => form()?.dataset.sending !== undefined;
const QUESTIONS = "#answers fieldset.criterion [name]";

function choose(input) {
  if (input.matches(":disabled") || (input.type === "radio" && input.checked) || sending()) return;
  input.checked = !input.checked;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

/** The answer stays until its own key sends it; returns whether it was about to leave. */
function stopAdvance() {
  const running = advance !== null;
  clearTimeout(advance);
  advance = null;
  room().removeAttribute("data-advancing");
  return running;
}

/** After the last question the room continues by itself, unless more may be added: tags, a slider, a text. */
function answered(input) {
  facts.chose(input.name, scales.valueOf(form(), input.name));
  way.stop();
  stopAdvance();
  if (input.type !== "radio" || !scales.isFull(form())) return;
  void room().offsetWidth; // starts the bar anew
  room().setAttribute("data-advancing", "");
  advance = setTimeout(() => form()?.requestSubmit(), PAUSE);
}

/** The same values keep their submission id over every attempt; other values are another answer with its own. */
function fill(sent) {
  const values = JSON.stringify([scales.values(sent), marks]);
  if (sent.dataset.values !== values) {
    sent.dataset.values = values;
    sent.elements.submission.value = outbox.submissionId();
    way.begin();
  }
  facts.mark(marks);
  sent.elements.facts.value = JSON.stringify(facts);
}

document.addEventListener("change", (event) => {
  if (event.target.matches(QUESTIONS)) answered(event.target);
});

// While an answer is on its way its values cannot be changed: a change would be lost with the page.
document.addEventListener(
  "click",
  (event) => {
    if (sending() && event.target.matches(QUESTIONS)) event.preventDefault();
  },
  true,
);

document.addEventListener(
  "submit",
  (event) => {
    stopAdvance();
    if (event.target !== form()) return;
    if (form().dataset.sending === "kept") {
      form().dataset.sending = "sent"; // kept here: now htmx may send it
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (sending() || room().dataset.locked !== undefined) return;
    if (!scales.isComplete(form())) return void form().reportValidity();
    keepThenSend(form());
  },
  true,
);

/** First into this browser's keeping, then over the network: whatever ends the page in between, nothing is lost. */
async function keepThenSend(sent) {
  way.stop();
  fill(sent);
  sent.dataset.sending = "";
  way.state("saving", say("saving"));
  sent.dataset.kept = await outbox.keep(sent.getAttribute("action"), [...new FormData(sent)]);
  if (sent !== form()) return; // another room has come meanwhile: its page sends what is kept
  sent.dataset.sending = "kept";
  sent.requestSubmit();
}

/* --- Sending: htmx sends the form, these say how it went --------------------------------------------------------- */

function failed({ sourceElement }) {
  if (sourceElement === form()) {
    delete form().dataset.sending;
    way.later();
  } else if (form()?.dataset.sending !== undefined) {
    delete form().dataset.sending; // it waited behind the request that failed, and was dropped
    way.again();
  } else {
    const words = document.createElement("p");
    words.textContent = say("unreachable");
    way.tell(words);
  }
}

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement !== form()) stopAdvance(); // going elsewhere: the answer waits for its own key
});

document.addEventListener("htmx:error", ({ detail }) => {
  // Once a response has come, an error is in this script and not in the network: sending again would not help.
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
  if (!outbox.mayPass(status)) outbox.forget(address(), form().elements.submission.value);
  ctx.saved = status < 400;
  if (!ctx.saved) way.state("unsaved", say("notSaved"));
});

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx, tasks } = event.detail;
  const [main] = tasks;
  if (main?.target?.id !== "room" || main.swapSpec.style === "none") return;
  if (!main.fragment.querySelector("#room")) return notARoom(event, ctx, main);
  for (const video of main.fragment.querySelectorAll("video.clip")) video.removeAttribute("src"); // or it would load twice
  stopAdvance();
  way.stop();
  way.begin();
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
  if (ctx.saved) way.state("saved", say("saved"));
});

/* --- Keys -------------------------------------------------------------------------------------------------------- */

const COMMANDS = {
  Space: () => player?.toggle(),
  KeyB: () => player?.replay(),
  KeyN: () => player?.sound(),
  KeyM: mark,
  KeyW: () => curve.toWorst(room(), player),
  ",": () => player?.step(-1),
  ".": () => player?.step(1),
  KeyZ: () => stopAdvance() || act("undo")?.click(),
  KeyS: () => panels.toggle("skip"),
  KeyG: () => panels.toggle("guidelines"),
  KeyL: () => panels.toggle("answers"),
  "?": () => panels.toggle("help"),
  Escape: () => stopAdvance() || panels.close(),
  Enter: () => (act("next") ? act("next").click() : form()?.requestSubmit()),
};

/** What a key does now: while the reasons for skipping are open the digits choose one, else they answer. */
function commandOf(pressed) {
  const reason = panels.opened()?.querySelector(`[data-menu="${CSS.escape(pressed)}"]`);
  if (reason) return () => reason.click();
  const name = bindings.commandOf(pressed);
  const target = name && form()?.querySelector(`[data-code="${CSS.escape(name)}"]`);
  return target ? () => choose(target) : COMMANDS[name];
}

document.addEventListener("keydown", (event) => {
  const name = keys.keyName(event);
  if (changing.key(event, name)) return;
  sitting.alive(address());
  if (!name || event.defaultPrevented || keys.wantedBy(event.target, name)) return;
  if (name === "Escape" && event.target.matches("input[type=text], textarea")) event.target.blur();
  const command = commandOf(name);
  if (!command) return;
  event.preventDefault();
  if (!event.repeat || name === "," || name === ".") command();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches(".rebind")) changing.ask(button);
  if (button?.matches(".curve-of")) {
    curve.show(room(), button);
    curve.toWorst(room(), player);
  }
  if (button?.dataset.act === "mark") mark();
  if (button?.dataset.act === "reset-keys") changing.reset();
});

/* --- The page begins --------------------------------------------------------------------------------------------- */

/** An answer that a reload interrupted: put it back into the form and send it. */
async function sendInterrupted() {
  const kept = form() && (await outbox.keptFor(address()));
  if (!kept || sending()) return;
  scales.fill(form(), kept.fields);
  if (!scales.isComplete(form())) return;
  unlock();
  form().dataset.values = JSON.stringify([scales.values(form()), marks]);
  form().elements.submission.value = kept.submission;
  beginFacts();
  if (!form().hasAttribute("data-htmx-powered")) {
    await new Promise((done) => document.addEventListener("htmx:after:process", done, { once: true }));
  }
  form().requestSubmit();
}

async function sendLeftOver() {
  const waiting = await outbox.sendOthers(address(), (words) => {
    const told = say("refusedEarlier", { words: words || say("refused") });
    way.tell(Object.assign(document.createElement("p"), { textContent: told }));
  });
  if (waiting) setTimeout(sendLeftOver, 30_000);
}

outbox.belongTo(room().dataset.sender);
open({ swapped: false });
sendInterrupted();
sendLeftOver();
