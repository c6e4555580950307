/** Playback: one clip with its controls, and a shelf with the clips that are loaded ahead. */

const USUAL_FRAME = 1 / 25; // seconds, until the clip has shown its own
const FAILURES = ["UNKNOWN", "MEDIA_ERR_ABORTED", "MEDIA_ERR_NETWORK", "MEDIA_ERR_DECODE", "MEDIA_ERR_SRC_NOT_SUPPORTED"];
const ACTS = ["toggle", "replay", "sound", "reload"];

let silenced = false; // the rater's own choice; it holds for all clips of this visit

/** A moment of a clip as "0:02.4". */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const tenths = Math.floor(seconds * 10 + 1e-6);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

/** Clips already in the browser: the next one, and those just left, so that Undo is as quick. */
export class Shelf {
  #videos = new Map();
  #places = 4;

  /** Load a clip ahead; nothing plays, so nothing counts as seen. */
  load(media) {
    if (!media || this.#videos.has(media)) return;
    const video = document.createElement("video");
    video.preload = "auto";
    video.muted = true;
    video.playsInline = true;
    video.src = media;
    video.load();
    this.put(media, video);
  }

  /** Keep a video; the oldest makes room. */
  put(media, video) {
    this.#videos.delete(media);
    this.#videos.set(media, video);
    if (this.#videos.size > this.#places) {
      const [oldest, gone] = this.#videos.entries().next().value;
      this.#videos.delete(oldest);
      gone.removeAttribute("src");
      gone.load(); // frees the decoder
    }
  }

  /** The video of a clip, taken off the shelf; undefined if it is not there or did not load. */
  take(media) {
    const video = this.#videos.get(media);
    this.#videos.delete(media);
    return video?.error ? undefined : video;
  }
}

export class Player {
  #stop = new AbortController();
  #frame = USUAL_FRAME;
  #lastFrame = null;
  #parts;

  /** Take over the controls inside `screen`; `onFailure(name)` hears about a clip that does not play and returns words for it. */
  constructor(screen, video, { onFailure, onFlowing }) {
    const part = (selector) => screen.querySelector(selector);
    this.video = video;
    this.#parts = {
      controls: part(".controls"),
      time: part("[data-time]"),
      whole: part("[data-whole]"),
      timeline: part(".timeline"),
      failure: part(".failure"),
      hint: part(".sound-hint"),
      sound: part(".controls [data-act=sound]"),
    };
    video.controls = false;
    const on = (target, type, act) => target.addEventListener(type, act, { signal: this.#stop.signal });
    for (const type of ["play", "pause", "ended"]) on(video, type, () => this.#draw());
    for (const type of ["loadedmetadata", "seeked", "durationchange"]) on(video, type, () => this.#draw());
    on(video, "playing", () => {
      onFlowing();
      this.#follow();
    });
    on(video, "volumechange", () => this.#drawSound());
    on(video, "click", () => this.toggle());
    on(video, "error", () => this.#fail(onFailure));
    on(this.#parts.timeline, "input", () => this.#seek(this.#parts.timeline.value / 1000));
    for (const button of screen.querySelectorAll("button[data-act]")) {
      if (ACTS.includes(button.dataset.act)) on(button, "click", () => this[button.dataset.act]());
    }
    if (video.error) this.#fail(onFailure);
    this.#watchFrames();
    this.#drawSound();
    if (!video.paused && video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA) onFlowing();
    this.#follow();
  }

  /** What ends with this clip: listeners share this signal. */
  get signal() {
    return this.#stop.signal;
  }

  /** Play from the beginning, with sound if the browser allows it, else silently and saying so. */
  start() {
    if (this.video.currentTime > 0) this.video.currentTime = 0;
    return this.#play();
  }

  async #play() {
    const { video } = this;
    video.muted = silenced;
    try {
      await video.play();
    } catch (error) {
      if (error.name !== "NotAllowedError" || this.#stop.signal.aborted) return; // a failure has its own event
      video.muted = true;
      this.#parts.hint.hidden = false;
      await video.play().catch(() => this.#draw()); // not even silently: the play button is there
    }
  }

  toggle() {
    if (!this.video.paused) this.video.pause();
    else if (this.video.ended) this.start();
    else this.#play();
  }

  replay() {
    this.start();
  }

  /** Go one frame on (1) or back (-1). */
  step(direction) {
    const { video } = this;
    video.pause();
    if (!(video.duration > 0)) return;
    video.currentTime = Math.min(Math.max(0, video.currentTime + direction * this.#frame), video.duration);
  }

  /** Look at one moment: stop there. */
  lookAt(seconds) {
    this.video.pause();
    this.video.currentTime = seconds;
  }

  sound() {
    const { video } = this;
    video.muted = !video.muted;
    silenced = video.muted;
    this.#parts.hint.hidden = true;
  }

  reload() {
    this.#parts.failure.hidden = true;
    this.video.load();
    this.start();
  }

  /** Leave the clip; the video itself stays usable. */
  close() {
    this.#stop.abort();
    this.video.pause();
  }

  #seek(share) {
    if (this.video.duration > 0) this.video.currentTime = share * this.video.duration;
    this.#draw();
  }

  #fail(onFailure) {
    this.#parts.failure.querySelector("p").textContent = onFailure(FAILURES[this.video.error?.code] ?? FAILURES[0]);
    this.#parts.failure.hidden = false;
    this.#parts.hint.hidden = true;
  }

  /** Learn how long a frame lasts from the frames shown: the shortest step between two of them. */
  #watchFrames() {
    this.video.requestVideoFrameCallback?.((_now, { mediaTime }) => {
      if (this.#stop.signal.aborted) return;
      const step = mediaTime - (this.#lastFrame ?? mediaTime);
      if (step > 0.005 && step < 0.2) this.#frame = this.#frame === USUAL_FRAME ? step : Math.min(this.#frame, step);
      this.#lastFrame = mediaTime;
      this.#watchFrames();
    });
  }

  #follow() {
    if (this.#stop.signal.aborted) return;
    this.#draw();
    if (!this.video.paused && !this.video.ended) requestAnimationFrame(() => this.#follow());
  }

  #draw() {
    const { controls, time, whole, timeline } = this.#parts;
    const { currentTime, duration, paused, ended } = this.video;
    const share = duration > 0 ? currentTime / duration : 0;
    controls.dataset.state = paused || ended ? "paused" : "playing";
    time.textContent = clock(currentTime);
    whole.textContent = clock(duration);
    timeline.value = Math.round(share * 1000);
    timeline.setAttribute("aria-valuetext", clock(currentTime));
    timeline.style.setProperty("--played", `${share * 100}%`);
  }

  #drawSound() {
    const { sound } = this.#parts;
    sound.setAttribute("aria-pressed", String(!this.video.muted));
  }
}
