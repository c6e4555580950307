/** The rating room's panels: guidelines, the rater's answers, keys, reasons for skipping. At most one is open. */

const room = () => document.getElementById("room");

/** The open panel, or null. */
export const opened = () => room().querySelector("details.panel[open]");

/** Open a panel by its name, with the focus on its first control; close it if it is open. */
export function toggle(name) {
  const details = room().querySelector(`details[data-panel=${name}]`);
  if (!details) return;
  details.open = !details.open;
  if (details.open) details.querySelector("summary + *").querySelector("button, a")?.focus();
}

/** Close the open panel. A focus inside it moves to its heading, so that it is not lost. */
export function close() {
  const details = opened();
  if (!details) return;
  const inside = details.contains(document.activeElement);
  details.open = false;
  if (inside) details.querySelector("summary").focus();
}

// "toggle" does not bubble, so it is caught on its way down.
document.addEventListener(
  "toggle",
  ({ target }) => {
    if (!target.open) for (const video of target.querySelectorAll("video.example")) video.pause();
    else if (target.dataset.panel === "answers") listAnswers(target);
  },
  true,
);

/** Fetch the rater's answers when their panel is opened; without a connection the panel keeps its link. */
async function listAnswers(details) {
  const list = await fetch("/rate/answers", { headers: { "HX-Request": "true" } }).catch(() => null);
  if (list?.ok) details.querySelector(".panel-body").innerHTML = await list.text(); // escaped by the server
}

document.addEventListener("click", ({ target }) => {
  const details = opened();
  if (details && !details.contains(target)) details.open = false;
});
