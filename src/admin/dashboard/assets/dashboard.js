// Keeps a page of the dashboard live. Every page works without this.
"use strict";

const main = document.getElementById("main");
const link = document.querySelector("[data-link]");

// --- updating the page in place ---------------------------------------------------------------------------------

let requests = 0;

// The time at which the page may be fetched again because of events: a page that took 20 ms is fetched every 500 ms at most.
let rest = 0;
const SHARE = 25;
const REST_MAX = 4_000;

// Fetches a page and replaces the parts that differ. Focus, scroll positions and open details stay.
async function update(href) {
  const number = ++requests;
  const asked = performance.now();
  const answer = await fetch(href, { headers: { accept: "text/html" } });
  if (answer.redirected && new URL(answer.url).pathname.endsWith("/login")) return location.assign(answer.url);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const took = performance.now() - asked;
  rest = asked + Math.min(REST_MAX, took * SHARE);
  // A newer request has been sent meanwhile.
  if (number !== requests) return;
  const stateOf = (of) => of.querySelector("#status")?.textContent.trim().replace(/\s+/g, " ");
  const before = stateOf(document);
  for (const part of document.querySelectorAll("[data-part]")) {
    const newer = page.getElementById(part.id);
    // Rows do not move under a pointer that is about to press one of them.
    if (newer && part.matches("[data-steady]:hover")) delay(part);
    else if (newer) replace(part, newer);
  }
  // The tab of the browser and screen readers learn of a new state as well.
  const state = stateOf(document);
  if (state !== before) document.querySelector("[data-announce]").textContent = state ?? "";
  document.title = page.title;
  const icon = page.querySelector("link[rel=icon]")?.getAttribute("href");
  if (icon) document.querySelector("link[rel=icon]").setAttribute("href", icon);
  ages();
}

// Updates a part once the pointer has left it.
function delay(part) {
  if (part.dataset.waits) return;
  part.dataset.waits = "1";
  part.addEventListener("pointerleave", refresh, { once: true });
}

function replace(part, newer) {
  for (const open of part.querySelectorAll("details[id]")) {
    const same = newer.querySelector("#" + CSS.escape(open.id));
    if (same) same.open = open.open;
  }
  if (part.outerHTML === newer.outerHTML) return;
  const focused = document.activeElement;
  const path = part.contains(focused) ? selector(focused, part) : null;
  const { scrollTop, scrollLeft } = part;
  part.replaceWith(newer);
  if (part.id === "picture") zoomTo(zoom);
  newer.scrollTop = scrollTop;
  newer.scrollLeft = scrollLeft;
  if (path) newer.querySelector(path)?.focus({ preventScroll: true });
}

// Returns a selector that finds an element again: by its id, else by its address.
function selector(element, part) {
  if (element === part) return ":scope";
  if (element.id) return "#" + CSS.escape(element.id);
  const href = element.getAttribute("href");
  return href ? `[href="${CSS.escape(href)}"]` : ":scope";
}

// --- following events ----------------------------------------------------------------------------------------------

let waiting = null;

function refresh() {
  // A burst of events causes one request. Where edits do not end, a page takes a small share of the time of its server.
  waiting ??= setTimeout(() => {
    waiting = null;
    update(location.href).catch(() => {});
  }, Math.max(60, rest - performance.now()));
}

function follow() {
  const events = new EventSource("/_hotplate/live");
  let lost = false;
  events.addEventListener("open", () => {
    link.hidden = true;
    if (lost) refresh();
    lost = false;
  });
  events.addEventListener("error", () => {
    lost = true;
    link.hidden = false;
    link.textContent = "not connected";
  });
  events.addEventListener("changed", refresh);
  events.addEventListener("vitals", (event) => {
    const vitals = JSON.parse(event.data);
    for (const shown of document.querySelectorAll("[data-vital]")) shown.textContent = vitals[shown.dataset.vital];
    for (const path of document.querySelectorAll("[data-vital-path]")) path.setAttribute("d", vitals[path.dataset.vitalPath]);
  });
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

function ages() {
  for (const time of document.querySelectorAll("time[data-ms]")) {
    const seconds = Math.max(0, (Date.now() - Number(time.dataset.ms)) / 1000);
    const [unit, size] = [["s", 1], ["min", 60], ["h", 3600], ["d", 86400]].findLast(([, size]) => seconds >= size) ?? ["s", 1];
    time.textContent = seconds < 5 ? "just now" : `${Math.floor(seconds / size)} ${unit} ago`;
    time.title = new Date(Number(time.dataset.ms)).toLocaleString();
  }
}

// --- templates: search, and navigation in the graph ------------------------------------------------------------------

function go(href) {
  history.pushState(null, "", href);
  return update(href).then(center);
}

function center() {
  const canvas = document.getElementById("picture");
  const here = canvas?.querySelector(".node.here");
  if (!here) return;
  // The factor is that of the drawing as it is shown.
  canvas.scrollLeft = Number(here.dataset.x) * zoom - canvas.clientWidth / 2 + 98;
  canvas.scrollTop = Number(here.dataset.y) * zoom - canvas.clientHeight / 2 + 14;
}

// --- the drawing: zoom by buttons, wheel and keys; pan by dragging, touch and the scroll bars ------------------------------------

let zoom = 1;

// Shows the drawing in a size, and keeps the point under the pointer, or the middle, where it is.
function zoomTo(factor, x, y) {
  const canvas = document.getElementById("picture");
  const svg = canvas?.querySelector("svg");
  if (!svg) return;
  const before = zoom;
  zoom = Math.min(4, Math.max(0.02, factor));
  const { width, height } = svg.viewBox.baseVal;
  svg.setAttribute("width", width * zoom);
  svg.setAttribute("height", height * zoom);
  const [atX, atY] = [x ?? canvas.clientWidth / 2, y ?? canvas.clientHeight / 2];
  canvas.scrollLeft = (canvas.scrollLeft + atX) * zoom / before - atX;
  canvas.scrollTop = (canvas.scrollTop + atY) * zoom / before - atY;
}

function fit() {
  const canvas = document.getElementById("picture");
  const { width, height } = canvas?.querySelector("svg")?.viewBox.baseVal ?? {};
  if (width) zoomTo(Math.min(1, canvas.clientWidth / width, canvas.clientHeight / height));
}

const buttons = document.querySelector("[data-zoom]");
if (buttons) buttons.hidden = false;
buttons?.addEventListener("click", (event) => {
  const by = event.target.dataset.by;
  if (by === "fit") fit();
  else if (by === "1:1") zoomTo(1);
  else if (by) zoomTo(zoom * Number(by));
});

addEventListener("wheel", (event) => {
  const canvas = event.target.closest?.("#picture");
  if (!canvas || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  const place = canvas.getBoundingClientRect();
  zoomTo(zoom * Math.exp(-event.deltaY / 400), event.clientX - place.left, event.clientY - place.top);
}, { passive: false });

let dragged = null;
addEventListener("pointerdown", (event) => {
  const canvas = event.target.closest?.("#picture");
  // A finger scrolls the drawing by itself, and a press on a template selects it.
  if (!canvas || event.pointerType === "touch" || event.button !== 0 || event.target.closest(".node")) return;
  dragged = { canvas, x: event.clientX + canvas.scrollLeft, y: event.clientY + canvas.scrollTop };
});
addEventListener("pointermove", (event) => {
  if (!dragged) return;
  dragged.canvas.scrollLeft = dragged.x - event.clientX;
  dragged.canvas.scrollTop = dragged.y - event.clientY;
});
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { dragged = null; });

// Returns the nearest node in a direction. The distance across counts three times.
function neighbour(node, key) {
  const at = (other) => [Number(other.dataset.x), Number(other.dataset.y)];
  const [x, y] = at(node);
  let best = null;
  for (const other of document.querySelectorAll("#graph .node")) {
    const [dx, dy] = [at(other)[0] - x, at(other)[1] - y];
    const along = { ArrowRight: dx, ArrowLeft: -dx, ArrowDown: dy, ArrowUp: -dy }[key];
    const across = Math.abs(key === "ArrowRight" || key === "ArrowLeft" ? dy : dx);
    if (along <= 0) continue;
    const distance = along + 3 * across;
    if (!best || distance < best.distance) best = { other, distance };
  }
  return best?.other;
}

addEventListener("click", (event) => {
  const chosen = event.target.closest("#graph .node, #list a, #list .pages a, #detail .links a, #detail .reason a");
  if (!chosen || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(chosen.getAttribute("href"));
});

addEventListener("popstate", () => update(location.href).then(center));

addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing && document.getElementById("q")) {
    event.preventDefault();
    document.getElementById("q").focus();
  }
  if (event.target.closest?.("#picture") && !event.ctrlKey && !event.metaKey) {
    const by = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
    if (by) zoomTo(zoom * by);
    if (event.key === "0") fit();
  }
  const node = event.target.closest?.("#graph .node");
  if (node && event.key.startsWith("Arrow")) {
    event.preventDefault();
    neighbour(node, event.key)?.focus();
  }
});

let typed = null;
document.querySelector("[data-search]")?.addEventListener("input", (event) => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    const address = new URL(location.href);
    address.searchParams.set("q", event.target.value);
    address.searchParams.delete("page");
    history.replaceState(null, "", address);
    update(address.href).catch(() => {});
  }, 120);
});

addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

for (const filter of document.querySelectorAll("[data-submit]")) {
  filter.addEventListener("change", (event) => event.target.form.requestSubmit());
}

// The result of an action is shown once: a reload of the page does not show it again.
const shownAt = new URL(location.href);
if (shownAt.searchParams.has("done")) {
  shownAt.searchParams.delete("done");
  history.replaceState(null, "", shownAt);
}
ages();
center();
setInterval(ages, 10_000);
follow();
