/** The questions' values, whatever their scale: what is chosen, what is still missing. */

const fieldsets = (form) => [...(form?.querySelectorAll("fieldset.criterion") ?? [])];
const inputs = (form) => [...(form?.querySelectorAll("fieldset.criterion [name]") ?? [])];
const isChoice = (input) => input.type === "radio" || input.type === "checkbox";

/** All values given so far, as pairs of field and value; an empty text or number is none. */
export function values(form) {
  return inputs(form)
    .filter((input) => (isChoice(input) ? input.checked : input.value.trim() !== ""))
    .map((input) => [input.name, input.value]);
}

/** One field's values as one text, to see whether it changed. */
export function valueOf(form, field) {
  return values(form)
    .filter(([name]) => name === field)
    .map(([, value]) => value)
    .join("\n");
}

function answered(form, wanted) {
  const given = new Set(values(form).map(([name]) => name));
  return wanted.every((fieldset) => given.has(fieldset.dataset.field));
}

/** Whether everything required is answered: then Enter sends. */
export const isComplete = (form) => answered(form, fieldsets(form).filter((one) => one.dataset.required !== undefined));

/** Whether every question is answered, the optional ones too: then the room continues by itself. */
export const isFull = (form) => answered(form, fieldsets(form));

/** Put kept values back into the form. */
export function fill(form, pairs) {
  for (const input of inputs(form)) {
    const given = pairs.filter(([name]) => name === input.name).map(([, value]) => value);
    if (isChoice(input)) input.checked = given.includes(input.value);
    else input.value = given[0] ?? "";
  }
  for (const slider of form.querySelectorAll("[data-slider]")) show(slider);
}

/** Open or close all questions. */
export function lock(form, locked) {
  for (const fieldset of fieldsets(form)) fieldset.disabled = locked;
}

let untouchedWords = "";

/** Sliders take the place of typed numbers; until it is touched a slider stands for no answer. */
export function prepare(form, untouched) {
  untouchedWords = untouched;
  for (const slider of form?.querySelectorAll("[data-slider]") ?? []) {
    number(slider).type = "hidden";
    slider.closest(".slide").querySelector(".typed").hidden = true;
    slider.hidden = false;
    slider.addEventListener("input", () => take(slider));
    slider.addEventListener("pointerup", () => take(slider)); // a press on the very place where it stands is an answer
    slider.addEventListener("keydown", (event) => big(event, slider));
    show(slider);
  }
}

const number = (slider) => slider.closest(".slide").querySelector("[name]");

function take(slider) {
  if (number(slider).value === slider.value) return;
  number(slider).value = slider.value;
  show(slider);
  number(slider).dispatchEvent(new Event("change", { bubbles: true }));
}

/** Page Up and Page Down go ten on or back, in every browser. */
function big(event, slider) {
  const step = { PageUp: 10, PageDown: -10 }[event.key];
  if (!step) return;
  event.preventDefault();
  slider.value = Number(slider.value) + step;
  take(slider);
}

function show(slider) {
  const { value } = number(slider);
  if (value !== "") slider.value = value;
  slider.toggleAttribute("data-untouched", value === "");
  slider.setAttribute("aria-valuetext", value === "" ? untouchedWords : value);
  slider.closest(".slide").querySelector("output").textContent = value === "" ? untouchedWords : value;
}
