/** Facts: how an answer came about. Times are milliseconds of this page's clock, except the two ISO moments. */

const MOST_CHANGES = 20; // changes kept one by one; all are counted
const LONGEST = 24; // letters kept of a value that was changed
const START = 0.25; // seconds from the beginning that still count as playing from the start

export class Facts {
  #shown = performance.now();
  #shownAt = new Date().toISOString();
  #firstPlayAt = null;
  #plays = 0;
  #replays = 0;
  #stalls = 0;
  #stallMs = 0;
  #stalledSince = null;
  #ended = null;
  #firstKey = null;
  #changes = 0;
  #history = [];
  #marks = [];
  #error = null;
  #answers = new Map();
  #video = null;

  /** Watch a clip until `signal` aborts. */
  watch(video, signal) {
    this.#video = video;
    const on = (type, act) => video.addEventListener(type, act, { signal });
    on("play", () => this.#played(video.currentTime));
    on("playing", () => this.#flowing());
    on("waiting", () => {
      // A seek waits too, and so does the very first frame; neither is a stall.
      if (!video.seeking && this.#firstPlayAt && video.currentTime > 0) this.#stalledSince ??= performance.now();
    });
    on("ended", () => (this.#ended ??= performance.now()));
    if (video.paused) return; // else the page's own autoplay was quicker than this script
    this.#played(0);
    if (video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA) this.#flowing();
  }

  #played(position) {
    this.#plays += 1;
    if (this.#plays > 1 && position < START) this.#replays += 1;
  }

  #flowing() {
    this.#firstPlayAt ??= new Date().toISOString();
    if (this.#stalledSince === null) return;
    this.#stalls += 1;
    this.#stallMs += performance.now() - this.#stalledSince;
    this.#stalledSince = null;
  }

  /** The clip could not be played. */
  failed(name) {
    this.#error = name;
  }

  /** What stood there before the rater did anything, so that changing it counts as a change. */
  begin(answers) {
    this.#answers = new Map(answers);
  }

  /** The rater chose a value for a criterion. */
  chose(field, value) {
    this.#firstKey ??= performance.now();
    const before = this.#answers.get(field) ?? "";
    if (before === value) return;
    if (before !== "") {
      this.#changes += 1;
      const at = Math.round(performance.now() - this.#shown);
      if (this.#history.length < MOST_CHANGES) this.#history.push([at, field, before.slice(0, LONGEST), value.slice(0, LONGEST)]);
    }
    this.#answers.set(field, value);
  }

  /** The marked moments, as they are when the answer is sent. */
  mark(marks) {
    this.#marks = marks;
  }

  /** Share of the clip that has been on the screen, 0 to 1. */
  get seenShare() {
    const { played, duration } = this.#video ?? {};
    if (!played || !(duration > 0)) return 0;
    let seen = 0;
    for (let part = 0; part < played.length; part += 1) seen += played.end(part) - played.start(part);
    return Math.min(1, Math.round((seen / duration) * 1000) / 1000);
  }

  /** Everything, as it goes into the form. */
  toJSON() {
    const since = (moment, start) => (moment === null || start === null ? null : Math.round(moment - start));
    const afterEnd = since(this.#firstKey, this.#ended);
    return {
      shown_at: this.#shownAt,
      first_play_at: this.#firstPlayAt,
      plays: this.#plays,
      replays: this.#replays,
      stalls: this.#stalls,
      stall_ms: Math.round(this.#stallMs),
      seen_share: this.seenShare,
      ended_to_first_key_ms: afterEnd !== null && afterEnd >= 0 ? afterEnd : null,
      first_key_ms: since(this.#firstKey, this.#shown),
      answer_ms: since(performance.now(), this.#shown),
      changes: this.#changes,
      history: this.#history,
      marks: this.#marks,
      viewport: [window.innerWidth, window.innerHeight],
      browser: navigator.userAgent.slice(0, 200),
      playback_error: this.#error,
    };
  }
}
