// The overlay with the errors of an entry. It lives in a shadow root, so that its styles and those of the page do not affect each other, and
// inserts all content as text, so that nothing from a template becomes markup.
const overlay = (() => {
  // The time that "Fixed" is shown.
  const FIXED_MS = 1500;
  let host, dialog, reopen, alert, content, fixed;

  // An author can switch the overlay off: by the button, or by `?hotplate-overlay=off` in an address. The browser remembers it.
  const SWITCH = "hotplate-overlay";
  const stored = () => {
    const asked = new URLSearchParams(location.search).get(SWITCH);
    try {
      if (asked === "on" || asked === "off") localStorage.setItem(SWITCH, asked);
      return localStorage.getItem(SWITCH);
    } catch { return asked; /* Storage may be disabled. */ }
  };
  const store = (state) => {
    try { localStorage.setItem(SWITCH, state); } catch { /* Storage may be disabled. */ }
  };

  // True while somebody types: the overlay must not take the focus.
  const typing = () => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return !!at && (at.isContentEditable || at.matches("textarea, select, input:not([type=button], [type=submit], [type=reset], [type=checkbox], [type=radio])"));
  };

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
      role: "alertdialog", "aria-modal": "true", "aria-labelledby": "title", "aria-describedby": "serving fault", tabindex: "-1", lang: "en", dir: "ltr",
    });
    reopen = make("button", { type: "button", class: "reopen", lang: "en" });
    reopen.hidden = true;
    reopen.addEventListener("click", open);
    // Announces the fault while the dialog is closed.
    alert = make("p", { class: "alert", role: "alert", lang: "en" });
    dialog.addEventListener("close", () => { reopen.hidden = !content; });
    // Keys that are pressed in the overlay must not trigger shortcuts of the page.
    for (const kind of ["keydown", "keyup", "keypress"]) root.addEventListener(kind, (event) => event.stopPropagation());
    root.append(dialog, reopen, alert);
  };

  const open = () => {
    reopen.hidden = true;
    if (!host.isConnected) document.documentElement.append(host);
    // A modal dialog is above all other content, traps the focus, closes with Escape and restores the focus.
    if (!dialog.open) dialog.showModal();
    alert.textContent = "";
    // The findings have the focus, so that arrows and PageDown scroll them and not the page behind.
    dialog.querySelector(".faults").focus({ preventScroll: true });
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

  const around = (lines, first) => lines.flatMap((text, at) =>
    [make("span", { class: "around" }, make("i", {}, first === null ? "" : String(first + at)), text), "\n"]);

  const source = ({ text, start, length, before: above, after: below }, line) => {
    const all = characters(text);
    const before = all.slice(0, start).join("");
    const marked = all.slice(start, start + length).join("");
    const after = all.slice(start + length).join("");
    // Tabs are kept, so that the caret is below the marked range.
    const caret = before.replace(/[^\t]/gu, " ");
    const number = line === null ? "" : String(line);
    return make("pre", { tabindex: "0", role: "group", "aria-label": "Source" },
      ...around(above, line === null ? null : line - above.length),
      make("span", {}, make("i", {}, number), before, make("mark", {}, marked), after), "\n",
      make("span", { "aria-hidden": "true" }, make("i"), caret, make("b", {}, "^".repeat(Math.max(1, characters(marked).length)))), "\n",
      ...around(below, line === null ? null : line + 1));
  };

  const article = (fault, at) => make("article", {},
    make("p", at === 0 ? { class: "message", id: "fault" } : { class: "message" }, make("span", { class: "code" }, fault.code), ...prose(fault.message)),
    fault.place && make("p", { class: "place" }, place(fault.place)),
    fault.source && source(fault.source, fault.place ? fault.place.line : null),
    fault.chain.length > 0 && make("ul", { "aria-label": "Call chain" },
      ...fault.chain.map((at) => make("li", {}, "called from ", place(at)))) || "",
    fault.help && make("p", { class: "help" }, make("b", {}, "Help: "), ...prose(fault.help)));

  const count = ({ faults, more, at_least: least }) => {
    const number = faults.length + more;
    return `${number}${least ? " or more" : ""} ${number === 1 ? "problem" : "problems"}`;
  };

  const title = (findings) => {
    const files = new Set(findings.faults.map((fault) => fault.place && fault.place.file));
    const [file] = files;
    const where = files.size > 1 ? ` in ${files.size} files` : file ? ` in ${file}` : "";
    return `${count(findings)}${findings.more > 0 && files.size === 1 ? "" : where}`;
  };

  // The first fault in a sentence.
  const sentence = ({ faults: [fault] }) => fault.message + (fault.place ? ` (${position(fault.place)})` : "");

  const serving = ({ status, since }, entry) => {
    if (status === "stale") return ["Still serving ", make("b", {}, `version ${since}`), ` of ${entry}.`];
    if (status === "broken") return [`There is no good version of ${entry} yet: a stand-in page is served.`];
    return [`${entry} cannot be shown.`];
  };

  const hide = () => {
    const button = make("button", { type: "button" }, "Hide", make("kbd", {}, "Esc"));
    button.addEventListener("click", () => dialog.close());
    return button;
  };

  const toggle = (opens) => {
    const button = make("button", { type: "button" }, opens ? "Do not open by itself" : "Open by itself");
    button.addEventListener("click", () => {
      store(opens ? "off" : "on");
      if (opens) dialog.close();
      else button.replaceWith(toggle(true));
    });
    return button;
  };
  const opensItself = (quiet) => {
    const state = stored();
    return state === null ? !quiet : state === "on";
  };

  const fill = (findings, entry, quiet) => {
    const { faults, more } = findings;
    reopen.textContent = `${count(findings)}: show`;
    dialog.replaceChildren(
      make("header", {},
        make("h1", { id: "title" }, title(findings)),
        make("p", { id: "serving", class: "serving" }, ...serving(findings, entry))),
      make("div", { class: "faults", tabindex: "0", role: "group", "aria-label": "Problems" }, ...faults.map(article),
        more > 0 ? make("p", { class: "more" }, ...prose(`And ${more} more: \`hotplate check\` shows all.`)) : ""),
      make("footer", {}, make("p", {}, "This message closes automatically when the files are fixed."), toggle(opensItself(quiet)), hide()));
  };

  return {
    show(findings, entry, quiet) {
      const next = JSON.stringify([findings, entry]);
      if (next === content && host.isConnected) return;
      if (!host) build();
      clearTimeout(fixed);
      host.shadowRoot.querySelector(".fixed")?.remove();
      // An overlay that was hidden stays hidden until its content changes.
      const changed = next !== content;
      content = next;
      fill(findings, entry, quiet);
      if (!host.isConnected) document.documentElement.append(host);
      if (!changed) return;
      if (dialog.open || (opensItself(quiet) && !typing())) open();
      else {
        reopen.hidden = false;
        alert.textContent = sentence(findings);
      }
    },
    clear() {
      if (!content) return;
      content = undefined;
      if (dialog.open) dialog.close();
      reopen.hidden = true;
      // Shown shortly, so that an author sees that the save was the right one.
      alert.textContent = "";
      host.shadowRoot.append(make("p", { class: "fixed", role: "status", lang: "en" }, "Fixed"));
      clearTimeout(fixed);
      fixed = setTimeout(() => host.remove(), FIXED_MS);
    },
  };
})();
