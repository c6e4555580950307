/** The device check: plays a real clip, downloads one against the clock, and sends what it found. */

const PLAYED = 0.3; // seconds of picture that count as playing
const PATIENCE = 15_000; // ms until a clip that does not start counts as failed
const LONG_ENOUGH = 1500; // ms of downloading that tell the speed
const MOST = 8_000_000; // bytes after which no further round begins: the check must not cost a data plan
const AT_ONCE = 4;
const ROUNDS = 5;

const form = document.getElementById("check");
const video = document.querySelector("video.check-clip");
const doing = document.getElementById("doing");

/** Play for a moment; resolves to what went wrong, "" when it plays. */
function play() {
  return new Promise((done) => {
    const timer = setTimeout(() => done("TIMEOUT"), PATIENCE);
    const end = (words) => {
      clearTimeout(timer);
      video.pause();
      done(words);
    };
    video.addEventListener("error", () => end(video.error?.message || `MEDIA_ERR_${video.error?.code}`));
    video.addEventListener("ended", () => end(""));
    video.addEventListener("timeupdate", () => video.currentTime >= PLAYED && end(""));
    if (video.error) end(video.error.message || `MEDIA_ERR_${video.error.code}`);
    video.play().catch((reason) => end(reason.name));
  });
}

/** One download of the clip; resolves to its bytes, as many as came before the time was up. */
async function download(until) {
  const answer = await fetch(video.src, { cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  const reader = answer.body.getReader();
  let bytes = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    bytes += part.value.length;
    if (performance.now() > until) {
      await reader.cancel();
      break;
    }
  }
  return bytes;
}

/** Mbit/s over downloads of the clip, some at a time so that short ones tell more than the delay; null for none. */
async function speed() {
  const began = performance.now();
  let bytes = 0;
  try {
    for (let round = 0; round < ROUNDS && bytes < MOST && performance.now() - began < LONG_ENOUGH; round += 1) {
      const parts = await Promise.all(Array.from({ length: AT_ONCE }, () => download(began + 4 * LONG_ENOUGH)));
      bytes += parts.reduce((sum, part) => sum + part, 0);
    }
  } catch {
    return null;
  }
  return (bytes * 8) / 1000 / Math.max(1, performance.now() - began);
}

doing.textContent = doing.dataset.playing;
const began = performance.now();
const error = await play();
const seconds = (performance.now() - began) / 1000;
doing.textContent = doing.dataset.loading;
const mbit = await speed();
const told = {
  script: true,
  played: error === "",
  error,
  can_play: video.canPlayType(form.dataset.mime),
  width: window.innerWidth,
  height: window.innerHeight,
  mbit: mbit === null ? null : Math.round(mbit * 10) / 10,
  seconds: Math.round(seconds * 1000) / 1000,
};
form.elements.told.value = JSON.stringify(told);
doing.textContent = doing.dataset.done;
form.submit();
