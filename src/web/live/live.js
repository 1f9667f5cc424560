// The page of this tab: what it shows, and whether that is what there is.
const self = document.currentScript;
const guard = Symbol.for("hotplate");
// The page has been exchanged by a script, and this script is in the new one too.
if (window[guard]) window[guard]();
if (!self || window[guard]) return;

// Read now: the page may say later what addresses are relative to, or take the script out.
const home = self.src;
const address = () => location.pathname + location.search;

// What the server said of the page that is shown, and how its entry stands now.
let shown = JSON.parse(self.getAttribute(STATE));
// Where it is, and the text that it was loaded from, once it is known.
let at = address();
let text;
let latest;
let exchanging = false;
let tries = 0;

const differs = () => latest && !shown.posted && (latest.page !== shown.page || latest.run !== shown.run
  // The newest text failed with the data of some page: maybe with that of this one.
  || (latest.failed_in > shown.version && !shown.late));

const present = () => {
  const findings = (latest && latest.findings) || shown.late;
  if (findings) overlay.show(findings, shown.entry);
  else overlay.clear();
};

// What there is at the address of this page; nothing while the server is away. When it is back, it says how the entry stands.
const ask = async () => {
  try {
    const answer = await fetch(location.href, {
      headers: { accept: "text/html", "x-hotplate-live": "1" }, cache: "no-store", credentials: "same-origin",
    });
    return { answer, html: await answer.text(), from: address() };
  } catch {
    return undefined;
  }
};

const textOf = async (digest) => {
  try {
    const answer = await fetch(new URL(`text/${digest}`, home));
    return answer.ok ? await answer.text() : undefined;
  } catch {
    return undefined;
  }
};

// What the visitor did, for the page that comes after this one. A page that differs from what there is after each load, such as behind two
// servers that take turns, is not loaded for ever.
const left = () => `hotplate ${at}`;
const RELOADS_MAX = 10, RELOADS_MS = 10_000;
let reloads = [];

const reload = (reason) => {
  reloads = reloads.filter((time) => Date.now() - time < RELOADS_MS);
  if (reloads.length >= RELOADS_MAX) {
    console.warn("hotplate does not reload the page, which changes with each load:", reason);
    return;
  }
  reloads.push(Date.now());
  console.debug("hotplate reloads the page:", reason);
  try {
    const plain = (_, value) => (value instanceof Node ? undefined : value);
    sessionStorage.setItem(left(), JSON.stringify({ reloads, state: visitor.state() }, plain));
  } catch { /* Storage may be forbidden: then the page is reloaded all the same. */ }
  location.reload();
};

const resume = () => {
  try {
    const kept = JSON.parse(sessionStorage.getItem(left()));
    sessionStorage.removeItem(left());
    if (!kept) return;
    reloads = kept.reloads;
    visitor.restore(kept.state);
    // What makes a page long may come late.
    if (document.readyState !== "complete") window.addEventListener("load", () => visitor.scroll(kept.state), { once: true });
  } catch { /* As above. */ }
};

const show = (state, html) => {
  const entry = shown.entry;
  shown = state;
  text = Promise.resolve(html);
  if (entry !== shown.entry) {
    latest = undefined;
    stream.entryChanged();
  }
};

const exchange = async () => {
  const page = await ask();
  // The server is away, or the page has gone on to another address meanwhile.
  if (!page || page.from !== address()) return false;
  try {
    const { answer, html } = page;
    const before = await text;
    const next = parse(html);
    const state = stateOf(next);
    if (!state || (answer.redirected && new URL(answer.url).pathname !== location.pathname)) unsure("it is another page");
    if (state.text !== shown.text) {
      if (!before) unsure("nobody knows any more what the page was loaded from");
      visitor.keep(() => patch(parse(before), next));
    }
    show(state, html);
  } catch (reason) {
    reload(reason);
    return false;
  }
  document.dispatchEvent(new CustomEvent("hotplate:update", { detail: { entry: shown.entry, version: shown.version } }));
  return true;
};

// What pages were made from when they were fetched last, by a script of the page or by this one, or left, and when that was.
const pages = new Map();
const note = (href, time, page, answered) => {
  if (!(pages.get(href)?.time > time)) pages.set(href, { time, page, answered });
};
const noteFetched = (entries) => {
  for (const { name, responseEnd, serverTiming } of entries) {
    const ours = serverTiming?.find((timing) => timing.name === "hotplate");
    if (ours) note(name.split("#")[0], responseEnd, ours.description, true);
  }
};
const fetched = new PerformanceObserver((list) => noteFetched(list.getEntries()));
fetched.observe({ type: "resource", buffered: true });

// A script has gone to another address without a load: what is shown there is another page, or the same one.
const follows = async () => {
  if (at === address()) return;
  note(location.origin + at, performance.now(), shown.page);
  at = address();
  noteFetched(fetched.takeRecords());
  const seen = pages.get(location.origin + at);
  const page = await ask();
  if (!page || page.from !== address()) return;
  let state;
  try {
    // A script may show what the server has no page for: then it still is the page that it began with.
    state = (page.answer.ok || seen?.answered) && stateOf(parse(page.html));
  } catch { /* Nobody can say what it is. */ }
  text = undefined;
  if (!state) return;
  show(state, page.html);
  // It was edited since the script fetched it, or kept it for when it is shown again.
  if (seen && seen.page !== state.page) reload("this page was edited meanwhile");
};

const catchUp = async () => {
  if (exchanging) return;
  exchanging = true;
  await follows();
  // What is published meanwhile is caught up with at once; what stays different, such as behind two servers that take turns, is not
  // tried for ever.
  while (differs() && tries < 5) {
    tries += 1;
    if (!await exchange()) break;
  }
  exchanging = false;
  present();
  if (at !== address()) went();
};

const whenReady = (then) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", then, { once: true });
  else then();
};

const stream = follow(new URL("live", home).href, () => shown.entry, (kind, data) => whenReady(() => {
  if (kind === "styles") {
    styles.update(data, shown.styles);
  } else if (data.entry === shown.entry) {
    latest = data;
    tries = 0;
    catchUp();
  }
}));
whenReady(() => {
  text = textOf(shown.text);
  resume();
  present();
});

// Scripts go on by several steps, and the last one counts.
let going;
const went = () => {
  clearTimeout(going);
  going = setTimeout(catchUp, 50);
};
window[guard] = went;
window.navigation?.addEventListener("currententrychange", went);
window.addEventListener("popstate", went);
