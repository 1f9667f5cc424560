// The main part: compares the state of the page in this tab with the state that the server reports, and updates the page.
const self = document.currentScript;
const guard = Symbol.for("hotplate");
// Another script has replaced the content of the page, and the new content contains this script again: one instance suffices.
if (window[guard]) window[guard]();
if (!self || window[guard]) return;

// Read at once, because the page may later insert a `<base>` element or remove the script.
const home = self.src;
const address = () => location.pathname + location.search;

// The state of the page when it was rendered, and below the latest state of its entry.
let shown = JSON.parse(self.getAttribute(STATE));
// Its address, and the text that it was loaded from, once that is known.
let at = address();
let text;
let latest;
let updating = false;
let tries = 0;

const differs = () => latest && !shown.posted && (latest.page !== shown.page || latest.run !== shown.run
  // The newest text failed with the data of some request, maybe also with the data of this page.
  || (latest.failed_in > shown.version && !shown.late));

const present = () => {
  const findings = (latest && latest.findings) || shown.late;
  if (findings) overlay.show(findings, shown.entry, shown.quiet);
  else overlay.clear();
};

// Fetches the current page of this address; undefined while the server is not reachable. After a reconnect the server sends the state of
// the entry again.
const fetchPage = async () => {
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

// What the visitor did is stored for the page after the reload. The number of reloads is limited: a page may differ from the server's state
// after every load, for example behind two servers that alternate.
const storageKey = () => `hotplate ${at}`;
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
    sessionStorage.setItem(storageKey(), JSON.stringify({ reloads, state: visitor.state() }, plain));
  } catch { /* Storage may be disabled: then the page is reloaded without it. */ }
  location.reload();
};

const resume = () => {
  try {
    const stored = JSON.parse(sessionStorage.getItem(storageKey()));
    sessionStorage.removeItem(storageKey());
    if (!stored) return;
    reloads = stored.reloads;
    visitor.restore(stored.state);
    // Images and scripts that load later may make the page longer.
    if (document.readyState !== "complete") window.addEventListener("load", () => visitor.scroll(stored.state), { once: true });
  } catch { /* Storage may be disabled. */ }
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

// Applies the differences in place; reloads the page if the result is not certain to equal a fresh load.
const update = async () => {
  const page = await fetchPage();
  // The server is not reachable, or a script has navigated to another address meanwhile.
  if (!page || page.from !== address()) return false;
  try {
    const { answer, html } = page;
    const before = await text;
    const next = parse(html);
    const state = stateOf(next);
    if (!state || (answer.redirected && new URL(answer.url).pathname !== location.pathname)) unsure("it is another page");
    if (state.text !== shown.text) {
      if (!before) unsure("the text that the page was loaded from is no longer known");
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

// By address: which templates a page was rendered from when it was last fetched by any script, or navigated away from, and when.
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

// Handles a change of the address by a script: it may show another page, or the same one.
const followNavigation = async () => {
  if (at === address()) return;
  note(location.origin + at, performance.now(), shown.page);
  at = address();
  noteFetched(fetched.takeRecords());
  const seen = pages.get(location.origin + at);
  const page = await fetchPage();
  if (!page || page.from !== address()) return;
  let state;
  try {
    // A script may use an address for which the server has no page: then the tab still shows its former page.
    state = (page.answer.ok || seen?.answered) && stateOf(parse(page.html));
  } catch { /* The page cannot be parsed reliably, so its entry is unknown. */ }
  text = undefined;
  if (!state) return;
  show(state, page.html);
  // The page was edited after the script had fetched or cached it.
  if (seen && seen.page !== state.page) reload("this page was edited meanwhile");
};

const catchUp = async () => {
  if (updating) return;
  updating = true;
  await followNavigation();
  // A version that is published meanwhile is applied at once. The number of attempts is limited: a page may always differ, for example behind
  // two servers that alternate.
  while (differs() && tries < 5) {
    tries += 1;
    if (!await update()) break;
  }
  updating = false;
  present();
  if (at !== address()) onNavigation();
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

// Scripts may change the address several times in a row; only the last change counts.
let navigation;
const onNavigation = () => {
  clearTimeout(navigation);
  navigation = setTimeout(catchUp, 50);
};
window[guard] = onNavigation;
window.navigation?.addEventListener("currententrychange", onNavigation);
window.addEventListener("popstate", onNavigation);
