/** The scores' curves on the timeline, one at a time. */

/** Show the curve that a score's button stands for. */
export function show(room, button) {
  for (const other of room.querySelectorAll(".curve-of")) other.setAttribute("aria-pressed", String(other === button));
  for (const curve of room.querySelectorAll(".curve")) curve.toggleAttribute("data-off", curve.dataset.curve !== button?.dataset.curveOf);
}

/** To the worst second of the shown curve. */
export function toWorst(room, player) {
  const curve = room.querySelector(".curve:not([data-off])");
  if (curve && player) player.lookAt((Number(curve.dataset.worst) / Number(curve.dataset.seconds)) * player.video.duration);
}
