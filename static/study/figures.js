/* Draws the figures of the results pages: the server's Vega-Lite specifications, by an interpreter that needs no eval.

   Without script the page shows the same figures as pictures. */

const vendor = new URL("../vendor/", import.meta.url);
const dark = matchMedia("(prefers-color-scheme: dark)");

const WIDEST = 440; // pixels of the plot; beside it stand the axis and its title
const NARROWEST = 200;
const AXIS = 72;

/* A figure's address may carry a query of its own: what it is a figure of. */
function address(figure, ending) {
  const [path, asked] = figure.dataset.figure.split("?");
  return `${path}.${ending}?${asked ? `${asked}&` : ""}theme=${dark.matches ? "dark" : "light"}`;
}

function head(figure, title) {
  const [finding, counts] = figure.querySelectorAll("[data-title] > *");
  finding.textContent = [title.text].flat().join(" ");
  counts.textContent = [title.subtitle ?? []].flat().join("; ");
}

function loadScript(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(name, vendor);
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${name} could not be loaded`));
    document.head.append(script);
  });
}

async function draw(figure, interpreter) {
  const place = figure.querySelector(".drawing");
  const width = Math.min(WIDEST, Math.max(NARROWEST, place.clientWidth - AXIS));
  const answer = await fetch(`${address(figure, "json")}&width=${width}`);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const drawing = await answer.json();
  head(figure, drawing.title);
  delete drawing.title; // its words stand above as text, which wraps on a phone
  const { spec } = vegaLite.compile(drawing);
  figure.view?.finalize();
  place.replaceChildren();
  figure.view = new vega.View(vega.parse(spec, null, { ast: true }), {
    expr: interpreter,
    renderer: "svg",
    container: place,
    hover: true,
  });
  await figure.view.runAsync();
  place.querySelector("svg").setAttribute("aria-hidden", "true"); // the place has a name, and its numbers a table
  figure.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
}

async function drawAll() {
  const figures = [...document.querySelectorAll("[data-figure]")];
  if (!figures.length) return;
  try {
    if (!globalThis.vega) {
      await loadScript("vega.min.js");
      await loadScript("vega-lite.min.js");
    }
    const { expressionInterpreter } = await import("../vendor/vega-interpreter.js"); // needs the global `vega`
    for (const figure of figures) await draw(figure, expressionInterpreter);
  } catch (error) {
    for (const figure of figures) {
      if (figure.view) continue;
      const picture = new Image();
      picture.src = address(figure, "svg");
      picture.alt = figure.querySelector(".drawing").getAttribute("aria-label");
      figure.querySelector(".drawing").replaceChildren(picture);
    }
    console.warn(`figures are shown as pictures: ${error.message}`);
  }
}

dark.addEventListener("change", drawAll);
drawAll();
