/* Moves a filter's threshold: figures, rates and the clips that flip follow, all from numbers the server sent once. */

const bench = document.getElementById("bench");
const slide = document.getElementById("slide");
const wall = document.getElementById("flips");
const cards = new Map(); // a clip's card is made once
let content;
let at;


/* The slider runs as the figures' axis does: higher scores to the right. Thresholds run from strict to loose. */
const turned = (place) => (content.direction === "ge" ? content.thresholds.length - 1 - place : place);
const accepts = (score, threshold) => (content.direction === "ge" ? score >= threshold : score <= threshold);

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showRates() {
  for (const element of document.querySelectorAll("[data-rate]")) {
    const { value, text } = content.rates[element.dataset.rate];
    element.dataset.value = value[at] === null ? "" : String(value[at]);
    say(element, text[at].split(" ", 1)[0]);
  }
  for (const element of document.querySelectorAll("[data-band]")) {
    const text = content.rates[element.dataset.band].text[at];
    say(element, text.slice(text.indexOf(" ") + 1));
  }
  for (const element of document.querySelectorAll("[data-cell]")) {
    say(element, String(content.counts[at][Number(element.dataset.cell)]));
  }
  const kept = document.getElementById("kept");
  if (kept) {
    kept.dataset.value = String(content.kept.values[at]);
    say(kept, content.kept.text[at]);
  }
}

function showCut(aim) {
  const label = content.labels[at];
  const tag = document.getElementById("cut-tag");
  say(document.getElementById("cut-now"), label);
  say(document.getElementById("adopt-now"), label);
  say(tag, at === content.now ? tag.dataset.preset : tag.dataset.found);
  slide.value = String(turned(at));
  slide.setAttribute("aria-valuetext", label);
  document.getElementById("adopt-threshold").value = String(content.thresholds[at]);
  document.getElementById("adopt-aim").value = aim;
  for (const one of document.querySelectorAll("[data-aim]")) {
    one.setAttribute("aria-pressed", String(one.dataset.aim === aim));
  }
}

function card(clip) {
  if (!cards.has(clip.name)) {
    const made = document.getElementById("flip").content.cloneNode(true).firstElementChild;
    const video = made.querySelector("video");
    video.src = `${clip.media}#t=0.5`;
    video.setAttribute("aria-label", clip.name);
    made.querySelector("strong").textContent = clip.name;
    made.querySelector("p > span").textContent = String(Number(clip.score.toPrecision(4)));
    const verdict = made.querySelector(".verdict");
    if (clip.verdict) {
      verdict.classList.add(clip.verdict);
      verdict.append(document.getElementById(`mark-${clip.verdict}`).content.cloneNode(true));
    } else {
      verdict.replaceWith("tied");
    }
    cards.set(clip.name, made);
    seen.observe(video);
  }
  return cards.get(clip.name);
}

/* A picture is fetched only when its card has come to rest in the window. */
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    clearTimeout(target.resting);
    if (isIntersecting) target.resting = setTimeout(() => (target.preload = "metadata"), 200);
  }
});

function showFlips() {
  const cut = content.thresholds[at];
  const flipping = content.clips.filter(
    (clip) => !clip.fails_elsewhere && accepts(clip.score, cut) !== accepts(clip.score, content.preset),
  );
  flipping.sort((one, other) => Math.abs(one.score - content.preset) - Math.abs(other.score - content.preset) || (one.name < other.name ? -1 : 1));
  const words = document.getElementById("flip-count");
  const { none, one, many } = words.dataset;
  say(words, [none, one][flipping.length] ?? many.replace("{n}", flipping.length.toLocaleString("en")));
  wall.replaceChildren(...flipping.slice(0, Number(bench.dataset.most)).map(card));
}

function showMark(figure) {
  const [path, query] = figure.dataset.figure.split("?");
  const asked = new URLSearchParams(query);
  asked.set("at", at);
  figure.dataset.figure = `${path}?${asked}`; // what a change of theme draws anew
  figure.querySelector("a[download]").href = `${path}.svg?${asked}`;
  figure.shows = at;
  figure.view?.signal("at", at).run();
}

/* Figures in the window move at once, the others when the hand rests. */
const inView = new Set();
const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inView.add(target);
    else inView.delete(target);
    if (isIntersecting && target.shows !== at) showMark(target);
  }
});
let resting;

function showMarks() {
  inView.forEach(showMark);
  clearTimeout(resting);
  resting = setTimeout(() => document.querySelectorAll("[data-figure]").forEach(showMark), 250);
}

function move(place, aim = "") {
  at = place;
  showCut(aim || (at === content.now ? "preset" : ""));
  showRates();
  showFlips();
  showMarks();
}

async function begin() {
  const answer = await fetch(bench.dataset.content);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  content = await answer.json();
  at = turned(turned(Number(slide.value)));
  slide.hidden = false;
  document.querySelector(".typed").hidden = true;
  const ends = document.querySelector(".slide-ends");
  ends.hidden = false;
  if (content.direction === "ge") ends.append(ends.firstElementChild);
  let waiting = false;
  slide.addEventListener("input", () => {
    if (waiting) return; // one step a frame, however fast the hand
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      move(turned(Number(slide.value)));
    });
  });
  slide.addEventListener("change", () => {
    const address = new URL(location.href);
    address.searchParams.set("cut", content.thresholds[at]);
    history.replaceState(null, "", address);
  });
  for (const one of document.querySelectorAll("a[data-at]")) {
    one.setAttribute("role", "button");
    one.addEventListener("click", (event) => {
      event.preventDefault();
      move(Number(one.dataset.at), one.dataset.aim);
    });
    one.addEventListener("keydown", (event) => {
      if (event.key === " ") {
        event.preventDefault();
        one.click();
      }
    });
  }
  document.addEventListener("drawn", (event) => showMark(event.target));
  for (const figure of document.querySelectorAll("[data-figure]")) watch.observe(figure);
  move(at);
}

begin();
