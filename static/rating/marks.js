/** Marked moments: where in the clip a fault is, with a word about it if the rater likes. */

const MOST = 40;
const LONGEST = 40; // letters of a word about a fault

export class Marks {
  #marks;
  #player;
  #flags;
  #list;
  #say;
  #clock;

  /** Begin with what was marked before; `say` gives words, `clock` writes a moment. */
  constructor(screen, player, earlier, { say, clock, fixed }) {
    this.#marks = earlier.filter((mark) => Number.isFinite(mark?.t)).map(({ t, tag = "" }) => ({ t, tag: String(tag) }));
    this.#player = player;
    this.#flags = screen.querySelector(".flags");
    this.#list = screen.querySelector(".marked");
    this.#say = say;
    this.#clock = clock;
    this.fixed = fixed; // the answer has been sent: marks are only shown
    player.video.addEventListener("loadedmetadata", () => this.#draw(), { signal: player.signal });
    this.#draw();
  }

  /** Mark the moment on the screen; returns what to tell, or "" when that moment is marked already. */
  add() {
    const t = Math.round(this.#player.video.currentTime * 100) / 100;
    if (this.fixed || this.#marks.length >= MOST || this.#marks.some((mark) => mark.t === t)) return "";
    this.#marks.push({ t, tag: "" });
    this.#marks.sort((one, other) => one.t - other.t);
    this.#draw();
    return this.#say("markedAt", { time: this.#clock(t) });
  }

  /** As the answer's facts tell them: seconds and words. */
  toJSON() {
    return this.#marks;
  }

  #remove(mark) {
    this.#marks = this.#marks.filter((other) => other !== mark);
    this.#draw();
    (this.#list.querySelector("button") ?? document.getElementById("questions"))?.focus({ preventScroll: true });
  }

  #draw() {
    const { duration } = this.#player.video;
    this.#flags.replaceChildren(...(duration > 0 ? this.#marks.map((mark) => this.#flag(mark, duration)) : []));
    this.#list.replaceChildren(...this.#marks.map((mark) => this.#line(mark)));
  }

  #flag(mark, duration) {
    const flag = document.createElement("span");
    flag.style.insetInlineStart = `${(mark.t / duration) * 100}%`;
    return flag;
  }

  #line(mark) {
    const time = this.#clock(mark.t);
    const line = document.createElement("li");
    const go = this.#button(time, this.#say("goTo", { time }), () => (this.#player.video.currentTime = mark.t));
    line.append(go);
    const word = document.createElement("input");
    Object.assign(word, { type: "text", value: mark.tag, maxLength: LONGEST, disabled: this.fixed });
    word.placeholder = this.fixed ? "" : this.#say("whatIsWrong");
    word.ariaLabel = this.#say("nameFault", { time });
    word.addEventListener("input", () => (mark.tag = word.value));
    line.append(word);
    if (!this.fixed) line.append(this.#button("×", this.#say("removeMark", { time }), () => this.#remove(mark)));
    return line;
  }

  #button(text, label, act) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, ariaLabel: label });
    button.addEventListener("click", act);
    return button;
  }
}
