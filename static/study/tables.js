/* Researchers' tables: sorted by a head, narrowed by a word, copied as CSV. Without script they are plain tables. */

const MANY = 12; // rows from which a filter box helps

/* The open page's tab, where a phone shows only some of them. */
const tab = document.querySelector(".tabs [aria-current]");
if (tab) tab.closest(".tabs").scrollLeft = Math.max(0, tab.offsetLeft + tab.offsetWidth / 2 - tab.closest(".tabs").clientWidth / 2);

/* What a cell says, without its buttons and pictures. */
function words(cell) {
  const copy = cell.cloneNode(true);
  for (const one of copy.querySelectorAll("details, form, progress, svg, .visually-hidden")) one.remove();
  const field = cell.querySelector("input:not([type=hidden])");
  const said = copy.textContent.replace(/\s+/g, " ").trim();
  return said || (field && !field.closest("details") ? field.value : "");
}

/* The cell under each head: one cell may stand under several. */
function cells(row) {
  return [...row.cells].flatMap((cell) => Array(cell.colSpan).fill(cell));
}

/* Signs and thousands as programs write them. */
const plain = (text) => text.replaceAll("\u2212", "-").replace(/(?<=\d)[\u2009\u202f\u00a0](?=\d)/g, "");

function key(cell) {
  const moment = cell?.querySelector("time[datetime]");
  if (moment) return Date.parse(moment.dateTime);
  const text = cell ? plain(words(cell)) : "";
  const number = /^[^\d-]{0,2}(-?(?:\d*\.)?\d+)/.exec(text); // also after a sign such as \u2265
  return number ? Number(number[1]) : text.toLowerCase();
}

/* Numbers by size, words by letters, what is undefined last. */
function order(one, other, turn) {
  const [numbers, others] = [typeof one === "number", typeof other === "number"];
  if (numbers && others) return turn * (one - other);
  if (numbers !== others) return numbers ? -1 : 1;
  return turn * one.localeCompare(other, undefined, { numeric: true });
}

function sort(table, place, head) {
  const turn = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const one of table.querySelectorAll("thead [aria-sort]")) one.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(cells(row)[place]), row]);
  rows.sort(([one], [other]) => order(one, other, turn));
  body.append(...rows.map(([, row]) => row));
}

function makeSortable(table, heads) {
  heads.forEach((head, place) => {
    if (!words(head)) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, place, head));
  });
}

/* Columns that hold nothing but buttons are left out; a cell under several heads is written once. */
export function csv(table, heads) {
  const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => {
    const there = cells(row);
    return there.map((cell, place) => (there[place - 1] === cell ? "" : plain(words(cell))));
  });
  const used = heads.map((head, place) => rows.some((row) => row[place]));
  const quoted = (text = "") => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [heads.map((head) => words(head)), ...rows];
  return lines.map((line) => heads.flatMap((_, place) => (used[place] ? [quoted(line[place])] : [])).join(",")).join("\r\n");
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // a page that is not served over https has no clipboard
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("refused");
}

function tools(box, table, heads) {
  const made = document.createElement("div");
  made.className = "table-tools";
  const rows = [...table.tBodies[0].rows];
  if (rows.length >= MANY) {
    const narrow = document.createElement("input");
    narrow.type = "search";
    narrow.className = "input";
    narrow.placeholder = "Rows with …";
    narrow.setAttribute("aria-label", `Show only rows of “${box.getAttribute("aria-label")}” with this`);
    narrow.addEventListener("input", () => {
      const wanted = narrow.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    made.append(narrow);
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy as CSV";
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    try {
      await copy(csv(table, heads));
      said.textContent = "Copied.";
    } catch {
      said.textContent = "The browser did not let it be copied.";
    }
    setTimeout(() => (said.textContent = ""), 4000);
  });
  made.append(button, said);
  box.after(made);
}

/* Tables that renew themselves keep their order; a single row needs nothing. */
function dress() {
  for (const box of document.querySelectorAll(".table-box:not([data-dressed])")) {
    const table = box.querySelector(":scope > table");
    const heads = table?.tHead ? cells(table.tHead.rows[table.tHead.rows.length - 1]) : [];
    if (!(table?.tBodies[0]?.rows.length > 1) || box.closest("#live[hx-get]") || new Set(heads).size < heads.length) continue;
    box.dataset.dressed = "";
    makeSortable(table, heads);
    tools(box, table, heads);
  }
}

dress();
document.addEventListener("htmx:after:swap", dress);
