// The overlay with the errors of an entry. It lives in a shadow root, so that its styles and those of the page do not affect each other, and
// inserts all content as text, so that nothing from a template becomes markup.
const overlay = (() => {
  let host, dialog, reopen, content;

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
    return element;
  };

  const build = () => {
    host = make("hotplate-overlay");
    const root = host.attachShadow({ mode: "open" });
    // A constructed stylesheet is not an inline style, so a content security policy does not forbid it.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(OVERLAY_STYLE);
    root.adoptedStyleSheets = [sheet];
    dialog = make("dialog", {
      role: "alertdialog", "aria-modal": "true", "aria-labelledby": "title", "aria-describedby": "serving", tabindex: "-1", lang: "en", dir: "ltr",
    });
    reopen = make("button", { type: "button", class: "reopen", lang: "en" });
    reopen.hidden = true;
    reopen.addEventListener("click", open);
    dialog.addEventListener("close", () => { reopen.hidden = !content; });
    // Keys that are pressed in the overlay must not trigger shortcuts of the page.
    for (const kind of ["keydown", "keyup", "keypress"]) root.addEventListener(kind, (event) => event.stopPropagation());
    root.append(dialog, reopen);
  };

  const open = () => {
    reopen.hidden = true;
    if (!host.isConnected) document.documentElement.append(host);
    // A modal dialog is above all other content, traps the focus, closes with Escape and restores the focus.
    if (!dialog.open) dialog.showModal();
    dialog.focus();
    // Scrolls long lines to the marked range.
    for (const line of dialog.querySelectorAll("pre")) {
      const end = line.querySelector("mark").offsetLeft + line.querySelector("mark").offsetWidth - line.offsetLeft;
      line.scrollLeft = Math.max(0, end + 48 - line.clientWidth);
    }
  };

  // Shows text in backticks as code.
  const prose = (text) => text.split(/`([^`]+)`/).map((part, at) => (at % 2 ? make("code", {}, part) : part));

  const characters = (text) => Array.from(text);

  const position = ({ file, line, column }) => [file, line, column].filter((part) => part !== null).join(":");

  const place = (at) => {
    if (!at.open) return document.createTextNode(position(at));
    const link = make("a", { href: at.open, target: "_self" }, position(at));
    link.title = "Open in your editor";
    return link;
  };

  const source = ({ text, start, length }, line) => {
    const all = characters(text);
    const before = all.slice(0, start).join("");
    const marked = all.slice(start, start + length).join("");
    const after = all.slice(start + length).join("");
    // Tabs are kept, so that the caret is below the marked range.
    const caret = before.replace(/[^\t]/gu, " ");
    const number = line === null ? "" : String(line);
    return make("pre", { tabindex: "0", "aria-label": "Source" },
      make("span", {}, make("i", {}, number), before, make("mark", {}, marked), after), "\n",
      make("span", { "aria-hidden": "true" }, make("i"), caret, make("b", {}, "^".repeat(Math.max(1, characters(marked).length)))));
  };

  const article = (fault) => make("article", {},
    make("p", { class: "message" }, make("span", { class: "code" }, fault.code), ...prose(fault.message)),
    fault.place && make("p", { class: "place" }, place(fault.place)),
    fault.source && source(fault.source, fault.place ? fault.place.line : null),
    fault.chain.length > 0 && make("ul", { "aria-label": "Call chain" },
      ...fault.chain.map((at) => make("li", {}, "called from ", place(at)))) || "",
    fault.help && make("p", { class: "help" }, make("b", {}, "Help: "), ...prose(fault.help)));

  const count = (number) => (number === 1 ? "1 problem" : `${number} problems`);

  const title = ({ faults, more }) => {
    const files = new Set(faults.map((fault) => fault.place && fault.place.file));
    const [file] = files;
    const where = files.size === 1 && file ? ` in ${file}` : "";
    return `${count(faults.length + more)}${where}`;
  };

  const serving = ({ standing, since }, entry) => {
    if (standing === "stale") return ["Still serving ", make("b", {}, `version ${since}`), ` of ${entry}.`];
    if (standing === "broken") return [`There is no good version of ${entry} yet: a stand-in page is served.`];
    return [`${entry} cannot be shown.`];
  };

  const hide = () => {
    const button = make("button", { type: "button" }, "Hide", make("kbd", {}, "Esc"));
    button.addEventListener("click", () => dialog.close());
    return button;
  };

  const fill = (findings, entry) => {
    const { faults, more } = findings;
    reopen.textContent = `${count(faults.length + more)}: show`;
    dialog.replaceChildren(
      make("header", {},
        make("h1", { id: "title" }, title(findings)),
        make("p", { id: "serving", class: "serving" }, ...serving(findings, entry))),
      make("div", { class: "faults" }, ...faults.map(article),
        more > 0 ? make("p", { class: "more" }, ...prose(`And ${more} more: \`hotplate check\` shows all.`)) : ""),
      make("footer", {}, make("p", {}, "This message closes automatically when the file is fixed."), hide()));
  };

  return {
    show(findings, entry) {
      const next = JSON.stringify([findings, entry]);
      if (next === content && host.isConnected) return;
      if (!host) build();
      // An overlay that was hidden stays hidden until its content changes.
      const changed = next !== content;
      content = next;
      fill(findings, entry);
      if (!host.isConnected) document.documentElement.append(host);
      if (changed) open();
    },
    clear() {
      if (!content) return;
      content = undefined;
      if (dialog.open) dialog.close();
      reopen.hidden = true;
      host.remove();
    },
  };
})();
