// Server-sent events for all tabs of a browser by one connection: browsers open six to a server, and tabs are many. The tab that
// holds the lock listens and tells the others; when it goes, the next one takes over. Where there is no such lock, each listens.
const follow = (address, entry, tell) => {
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
      // Maybe there are too many, of which some were left.
      ask();
      delay = Math.min(delay ? delay * 2 : 200, 5000);
      timer = setTimeout(open, delay * (0.75 + Math.random() / 2));
    };
    for (const kind of ["page", "styles"]) {
      source.addEventListener(kind, (event) => {
        const data = JSON.parse(event.data);
        last.set(kind + (data.entry || ""), [kind, data]);
        if (channel) channel.postMessage({ kind, data });
        tell(kind, data);
      });
    }
  };

  // Asks anew what the other tabs show.
  const ask = () => {
    wanted.clear();
    wanted.add(entry());
    if (channel) channel.postMessage({ listens: true });
  };

  // What is known of an entry that is followed already, and of the stylesheets.
  const knownOf = (name) => [...last.values()].filter(([, { entry: of }]) => !of || (of === name && wanted.has(name)));

  const want = (name) => {
    if (wanted.has(name)) return;
    wanted.add(name);
    // Before a stream that is tried again, there is no hurry.
    if (!source) return;
    clearTimeout(timer);
    timer = setTimeout(open, 10);
  };

  const shared = "locks" in navigator && "BroadcastChannel" in window;
  const channel = shared ? new BroadcastChannel(`hotplate ${address}`) : undefined;
  let release;

  const listen = () => {
    listens = true;
    ask();
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
    // Where the lock may not be had, each for himself.
    asked.catch((reason) => { if (reason.name !== "AbortError") listen(); });
  };

  const stop = () => {
    listens = false;
    close();
    if (release) release();
    release = undefined;
  };

  if (shared) {
    channel.onmessage = ({ data: said }) => {
      if (said.kind) {
        tell(said.kind, said.data);
      } else if (said.want && listens) {
        for (const [kind, data] of knownOf(said.want)) channel.postMessage({ kind, data });
        want(said.want);
      } else if (said.listens) {
        channel.postMessage({ want: entry() });
      }
    };
  }
  start();
  // A page that is left may be kept for a way back: it must not keep the others from listening.
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
  // Timers of a hidden tab are slow.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && listens && !source) open();
  });
  return {
    entryChanged() {
      if (!listens) return channel?.postMessage({ want: entry() });
      const known = knownOf(entry());
      want(entry());
      setTimeout(() => known.forEach(([kind, data]) => tell(kind, data)));
    },
  };
};
