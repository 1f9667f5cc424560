// Exchanges stylesheets that have changed, without a change of the rest of the page.
const styles = (() => {
  // The digests of the server's stylesheets, by path.
  let known;

  const urlOf = (link) => new URL(link.getAttribute("href"), document.baseURI);
  const links = (page) => Array.from(page.querySelectorAll('link[rel~="stylesheet"][href]:not([data-hotplate-leaves])'))
    .filter((link) => urlOf(link).origin === location.origin);
  const pathIn = (paths, link) => paths.find((path) => urlOf(link).pathname.endsWith(path));

  const address = (link, digest) => {
    const url = urlOf(link);
    url.searchParams.set("hotplate", digest);
    return url.href;
  };

  const exchange = (link, path) => {
    const digest = known[path] || "gone";
    const next = link.cloneNode();
    next.href = address(link, digest);
    link.setAttribute("data-hotplate-leaves", "");
    // The old stylesheet stays until the new one is loaded, so that the page is never shown without style.
    next.onload = next.onerror = () => link.remove();
    link.after(next);
  };

  return {
    // `digestOfPage` identifies the stylesheets at the time of the render.
    update({ digest, sheets }, digestOfPage) {
      const before = known;
      known = sheets;
      if (!before && digest === digestOfPage) return;
      const paths = Object.keys({ ...before, ...sheets });
      const changed = before ? paths.filter((path) => before[path] !== sheets[path]) : paths;
      const direct = links(document).filter((link) => pathIn(changed, link));
      // A changed stylesheet without a link may be imported by any other one.
      const concerned = direct.length > 0 ? direct : links(document).filter((link) => pathIn(paths, link));
      if (changed.length > 0) concerned.forEach((link) => exchange(link, pathIn(paths, link)));
    },
  };
})();
