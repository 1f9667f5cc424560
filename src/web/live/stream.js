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

  const want = (name) => {
    if (wanted.has(name)) return;
    wanted.add(name);
    clearTimeout(timer);
    timer = setTimeout(open, 10);
  };

  const shared = "locks" in navigator && "BroadcastChannel" in window;
  const channel = shared ? new BroadcastChannel(`hotplate ${address}`) : undefined;
  if (shared) {
    channel.onmessage = ({ data: said }) => {
      if (said.kind) {
        tell(said.kind, said.data);
      } else if (said.want && listens) {
        want(said.want);
        for (const [kind, data] of last.values()) {
          if (!data.entry || data.entry === said.want) channel.postMessage({ kind, data });
        }
      } else if (said.listens) {
        channel.postMessage({ want: entry() });
      }
    };
    channel.postMessage({ want: entry() });
    navigator.locks.request(`hotplate ${address}`, () => {
      listens = true;
      wanted.clear();
      wanted.add(entry());
      open();
      channel.postMessage({ listens: true });
      // Until this tab goes.
      return new Promise(() => {});
    }).catch(() => { listens = true; open(); });
  } else {
    listens = true;
    open();
  }
  // Timers of a hidden tab are slow.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && listens && !source) open();
  });
  return {
    entryChanged() {
      if (listens) want(entry());
      else channel.postMessage({ want: entry() });
    },
  };
};
