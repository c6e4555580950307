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
  if (name === "Space") return element.matches("button, summary, input[type=checkbox], input[type=radio]:not(:checked)");
  return false;
}
