// The page of this tab: what it shows, and whether that is what there is.
const self = document.currentScript;
const guard = Symbol.for("hotplate");
if (!self || window[guard]) return;
window[guard] = true;

// What the server said of the page that is shown, and how its entry stands now.
let shown = JSON.parse(self.getAttribute(STATE));
let latest;
let failureSeen;
let exchanging = false;
let tries = 0;

const differs = () => latest && (latest.page !== shown.page || latest.run !== shown.run
  // The newest text failed with the data of some page: maybe with that of this one.
  || (latest.failed_in !== null && latest.failed_in !== failureSeen && !shown.late));

const present = () => {
  const findings = (latest && latest.findings) || shown.late;
  if (findings) overlay.show(findings, shown.entry);
  else overlay.clear();
};

const exchange = async () => {
  failureSeen = latest.failed_in;
  let answer, text;
  try {
    answer = await fetch(location.href, {
      headers: { accept: "text/html", "x-hotplate-live": "1" }, cache: "no-store", credentials: "same-origin",
    });
    text = await answer.text();
  } catch {
    // The server is away. When it is back, it says how the entry stands.
    return false;
  }
  try {
    const next = new DOMParser().parseFromString(text, "text/html");
    const state = stateOf(next);
    const elsewhere = answer.redirected && new URL(answer.url).pathname !== location.pathname;
    if (!state || elsewhere || hasNewScript(next)) throw new Error("this page has to be loaded as a whole");
    const entry = shown.entry;
    styles.prepare(next);
    layIn(next);
    shown = state;
    if (entry !== shown.entry) {
      latest = undefined;
      stream.entryChanged();
    }
  } catch (reason) {
    console.debug("hotplate reloads the page:", reason);
    location.reload();
    return false;
  }
  document.dispatchEvent(new CustomEvent("hotplate:update", { detail: { entry: shown.entry, version: shown.version } }));
  return true;
};

const catchUp = async () => {
  if (exchanging) return;
  exchanging = true;
  // What is published meanwhile is caught up with at once; what stays different, such as behind two servers that take turns, is not
  // tried for ever.
  while (differs() && tries < 5) {
    tries += 1;
    if (!await exchange()) break;
  }
  exchanging = false;
  present();
};

const whenReady = (then) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", then, { once: true });
  else then();
};

const stream = follow(new URL("live", self.src).href, () => shown.entry, (kind, data) => whenReady(() => {
  if (kind === "styles") {
    styles.update(data, shown.styles);
  } else if (data.entry === shown.entry) {
    latest = data;
    tries = 0;
    catchUp();
  }
}));
whenReady(present);
