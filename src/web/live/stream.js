// Receives server-sent events for all tabs of a browser over one connection, because browsers open at most six connections to a server over
// HTTP/1.1. The tab that holds a Web Lock opens the stream and forwards its events to the other tabs by a BroadcastChannel; when that tab is
// closed, the next one gets the lock. Without these APIs each tab opens its own stream.
const follow = (address, entry, deliver) => {
  const wanted = new Set([entry()]);
  const last = new Map();
  let source, timer, delay = 0;
  let listens = false;

  const close = () => {
    clearTimeout(timer);
    if (source) source.close();
    source = timer = undefined;
  };

  const open = () => {
    close();
    const url = new URL(address);
    for (const name of wanted) url.searchParams.append("entry", name);
    source = new EventSource(url);
    source.onopen = () => { delay = 0; };
    source.onerror = () => {
      close();
      // Too many entries may be followed, some of which no tab shows any more.
      refreshWanted();
      delay = Math.min(delay ? delay * 2 : 200, 5000);
      timer = setTimeout(open, delay * (0.75 + Math.random() / 2));
    };
    for (const kind of ["page", "styles"]) {
      source.addEventListener(kind, (event) => {
        const data = JSON.parse(event.data);
        last.set(kind + (data.entry || ""), [kind, data]);
        if (channel) channel.postMessage({ kind, data });
        deliver(kind, data);
      });
    }
  };

  // Forgets the entries of the other tabs, and asks these tabs which entries they show.
  const refreshWanted = () => {
    wanted.clear();
    wanted.add(entry());
    if (channel) channel.postMessage({ listens: true });
  };

  // The last known states of an entry that is already followed, and of the stylesheets.
  const knownOf = (name) => [...last.values()].filter(([, { entry: of }]) => !of || (of === name && wanted.has(name)));

  const want = (name) => {
    if (wanted.has(name)) return;
    wanted.add(name);
    // While no stream is open, the next attempt includes this entry.
    if (!source) return;
    clearTimeout(timer);
    timer = setTimeout(open, 10);
  };

  const shared = "locks" in navigator && "BroadcastChannel" in window;
  const channel = shared ? new BroadcastChannel(`hotplate ${address}`) : undefined;
  let release;

  const listen = () => {
    listens = true;
    refreshWanted();
    open();
  };

  const start = () => {
    if (!shared) return listen();
    channel.postMessage({ want: entry() });
    const waiting = new AbortController();
    const asked = navigator.locks.request(`hotplate ${address}`, { signal: waiting.signal }, () => new Promise((resolve) => {
      release = resolve;
      listen();
    }));
    release = () => waiting.abort();
    // Without permission to use the lock, this tab opens its own stream.
    asked.catch((reason) => { if (reason.name !== "AbortError") listen(); });
  };

  const stop = () => {
    listens = false;
    close();
    if (release) release();
    release = undefined;
  };

  if (shared) {
    channel.onmessage = ({ data: message }) => {
      if (message.kind) {
        deliver(message.kind, message.data);
      } else if (message.want && listens) {
        for (const [kind, data] of knownOf(message.want)) channel.postMessage({ kind, data });
        want(message.want);
      } else if (message.listens) {
        channel.postMessage({ want: entry() });
      }
    };
  }
  start();
  // A page in the back/forward cache must not hold the lock.
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
  // Browsers delay timers of hidden tabs, so a tab that becomes visible reconnects at once.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && listens && !source) open();
  });
  return {
    entryChanged() {
      if (!listens) return channel?.postMessage({ want: entry() });
      const known = knownOf(entry());
      want(entry());
      setTimeout(() => known.forEach(([kind, data]) => deliver(kind, data)));
    },
  };
};
