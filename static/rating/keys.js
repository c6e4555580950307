/** Keys: which one was pressed, under the names the page uses, and whether the focused element wants it itself. */

const TEXT_FIELD = "input:not([type=radio], [type=checkbox], [type=range], [type=button], [type=submit]), textarea, select";

/**
 * The key's name: "Digit3", "Shift+Digit3", "KeyA", "Space", "Enter", "Escape", "?", ",", "."; "" for none of ours.
 * Digits go by their place on the keyboard (French rows give signs without Shift), letters by what is printed on them.
 */
export function keyName(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return "";
  if (event.key === " ") return "Space";
  if (["Enter", "Escape", "?", ",", "."].includes(event.key)) return event.key;
  const shift = event.shiftKey ? "Shift+" : "";
  const row = /^Digit\d$/.test(event.code);
  const pad = /^Numpad\d$/.test(event.code) && /^\d$/.test(event.key);
  if (row || pad) return `${shift}Digit${event.code.at(-1)}`;
  if (/^[a-z]$/i.test(event.key)) return `${shift}Key${event.key.toUpperCase()}`;
  return event.code.startsWith("Key") ? shift + event.code : "";
}

/** Whether the focused element uses this key itself: text fields every key, buttons and links their own. */
export function wantedBy(element, name) {
  if (!(element instanceof Element)) return false;
  if (element.matches(TEXT_FIELD) || element.isContentEditable) return name !== "Escape";
  if (name === "Enter") return element.matches("a[href], button, summary, input[type=radio]");
  // Space on a chosen radio would do nothing, so there it plays and pauses as everywhere else.
  if (name === "Space") return element.matches("button, summary, input[type=checkbox], input[type=radio]:not(:checked), video[controls]");
  return false;
}

/** How a key is printed: "Shift+Digit3" as ⇧3, "KeyA" as A. */
export function printed(name, space) {
  return name.replace("Shift+", "⇧").replace(/Digit|Key/, "").replace("Space", space);
}

const FREE_TO_USE = /^((Shift\+)?(Digit\d|Key[A-Z])|Space|,|\.)$/;

/** Which key does what: every command is called by its usual key; a rater may give it another one. */
export class Bindings {
  #place;
  #changed; // usual key -> the rater's own

  constructor(sender) {
    this.#place = `clipjury.keys.${sender}`;
    try {
      this.#changed = new Map(Object.entries(JSON.parse(localStorage.getItem(this.#place) ?? "{}")));
    } catch {
      this.#changed = new Map(); // nothing kept, or not ours
    }
  }

  /** The command of a pressed key, by its usual key; "" when that key was given up for another. */
  commandOf(pressed) {
    for (const [usual, own] of this.#changed) if (own === pressed) return usual;
    return this.#changed.has(pressed) ? "" : pressed;
  }

  /** The key that a command has now. */
  keyOf(usual) {
    return this.#changed.get(usual) ?? usual;
  }

  /** Give a command another key. "unusable" or "taken" (`used`: the usual keys of all commands), else "" or "forgotten". */
  change(usual, pressed, used) {
    if (!FREE_TO_USE.test(pressed)) return "unusable";
    if (used.some((other) => other !== usual && this.keyOf(other) === pressed)) return "taken";
    if (pressed === usual) this.#changed.delete(usual);
    else this.#changed.set(usual, pressed);
    return this.#keep();
  }

  reset() {
    this.#changed.clear();
    return this.#keep();
  }

  #keep() {
    try {
      localStorage.setItem(this.#place, JSON.stringify(Object.fromEntries(this.#changed)));
      return "";
    } catch {
      return "forgotten";
    }
  }
}

/** The list of keys behind `?`: every key is a button that takes another one. */
export class Changing {
  #bindings;
  #say;
  #space = document.querySelector("kbd[data-key=Space]")?.textContent ?? "Space";
  #button = null; // the one whose key is being changed

  constructor(bindings, say) {
    this.#bindings = bindings;
    this.#say = say;
  }

  /** A room has appeared: its controls say the keys as they are now. */
  begin() {
    this.#button = null;
    for (const button of document.querySelectorAll(".rebind")) button.disabled = false;
    for (const part of document.querySelectorAll(".rebinding")) part.hidden = false;
    this.#print();
  }

  ask(button) {
    this.#button?.removeAttribute("data-waiting");
    this.#button = button;
    button.dataset.waiting = "";
    this.#tell("pressKey", this.#bindings.keyOf(button.dataset.rebind));
  }

  reset() {
    this.#tell(this.#bindings.reset() || "keysReset");
  }

  /** Whether this key press was for a change of keys. Tab and Escape leave everything as it was. */
  key(event, pressed) {
    if (!this.#button) return false;
    if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return true;
    const { rebind: usual } = this.#button.dataset;
    if (event.key !== "Tab") event.preventDefault();
    if (event.key === "Tab" || pressed === "Escape") return this.#end("keyChanged", this.#bindings.keyOf(usual));
    const used = [...document.querySelectorAll(".rebind")].map((button) => button.dataset.rebind);
    const problem = this.#bindings.change(usual, pressed, used);
    if (problem === "taken") return this.#tell("keyTaken", pressed);
    if (problem === "unusable") return this.#tell("keyUnusable");
    return this.#end(problem || "keyChanged", pressed);
  }

  #end(name, key) {
    this.#button.removeAttribute("data-waiting");
    this.#button = null;
    return this.#tell(name, key);
  }

  #tell(name, key = "") {
    this.#print();
    const words = this.#say(name === "forgotten" ? "keysForgotten" : name, { key: printed(key, this.#space) });
    document.querySelector(".rebinding [role=status]").textContent = words;
    return true;
  }

  /** On every control and for screen readers. */
  #print() {
    for (const sign of document.querySelectorAll("kbd[data-key]")) {
      sign.textContent = printed(this.#bindings.keyOf(sign.dataset.key), this.#space);
    }
    for (const control of document.querySelectorAll("[data-shortcut]")) {
      control.setAttribute("aria-keyshortcuts", this.#bindings.keyOf(control.dataset.shortcut).replace(/Digit|Key/, ""));
    }
  }
}
