/** An answer on its way: what the page says of it, and the next attempt when it did not arrive. */

export class Sending {
  #attempt = 0; // sends of the present answer that failed in a row
  #timer = null; // of the next attempt

  /** `form()` is the answer's form now, `wait(n)` the seconds before attempt n, `say(name, values)` the words. */
  constructor(form, wait, say) {
    Object.assign(this, { form, wait, say });
    window.addEventListener("online", () => {
      if (this.#timer !== null) this.again();
    });
  }

  /** Another answer: its attempts are counted from the start. */
  begin() {
    this.#attempt = 0;
  }

  /** In the header: saving, saved, not saved. */
  state(name, words) {
    const place = document.getElementById("save-state");
    if (!place) return;
    place.dataset.state = name;
    place.textContent = words;
  }

  /** Under the answers: what went wrong, or nothing. */
  tell(...parts) {
    document.getElementById("problem")?.replaceChildren(...parts);
  }

  /** No further attempt by itself. */
  stop() {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.tell();
  }

  /** Try again after a while, longer each time, with the seconds counted down. */
  later() {
    this.#attempt += 1;
    let left = this.wait(this.#attempt);
    const words = document.createElement("p");
    const count = document.createElement("span");
    count.ariaHidden = "true"; // the countdown is not read out every second
    words.append(this.say(this.form().dataset.kept === "true" ? "keptHere" : "keptNowhere"), " ", count);
    const draw = () => (count.textContent = this.say("inSeconds", { left }));
    draw();
    this.tell(words);
    this.state("unsaved", this.say("notSaved"));
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      left -= 1;
      draw();
      if (left <= 0) this.again();
    }, 1000);
  }

  /** Now. */
  again() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.form()?.requestSubmit();
  }
}
