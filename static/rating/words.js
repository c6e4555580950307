/** What the scripts say: the page carries the words in its own language. */

const words = JSON.parse(document.getElementById("words").dataset.words);

/** The words of a name, with values in their places. Example: say("inSeconds", { left: 4 }) is "in 4 s". */
export function say(name, values = {}) {
  return (words[name] ?? words.UNKNOWN).replace(/\{(\w+)\}/g, (_whole, place) => values[place]);
}
