// Records what the visitor has done to a page (form input, opened details, scroll position, focus), so that it can be restored after a reload
// or in an element that has replaced another.
const visitor = (() => {
  const fields = new Set();
  const toggled = new Set();

  // Only events that are caused by the visitor are trusted, not those of scripts that fill in fields.
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, ({ isTrusted, target }) => {
      if (isTrusted && (isField(target) || target.isContentEditable)) fields.add(target);
    }, true);
  }
  document.addEventListener("toggle", ({ target }) => {
    // During the load this event is also sent for elements that are open by default.
    if (target.localName === "details" && document.readyState === "complete") toggled.add(target);
  }, true);

  const scrolled = new Set();
  document.addEventListener("scroll", ({ target }) => { if (isElement(target)) scrolled.add(target); }, true);

  const FIELDS = "input, textarea, select";
  const isField = (element) => element.matches?.(FIELDS);

  const standard = (select) => {
    const options = Array.from(select.options);
    const chosen = options.filter((option) => option.defaultSelected);
    return select.multiple ? chosen : [chosen.at(-1) ?? options.find((option) => !option.disabled)];
  };
  const isTouched = (field) => {
    if (field.localName === "select") {
      const chosen = standard(field);
      return Array.from(field.options).some((option) => option.selected !== chosen.includes(option));
    }
    return isChecked(field) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
  };
  const isChecked = ({ type }) => type === "checkbox" || type === "radio";

  const contentOf = (field) => {
    if (field.localName === "select") return Array.from(field.selectedOptions, (option) => option.value);
    if (!isField(field)) return field.innerHTML;
    return isChecked(field) ? field.checked : field.value;
  };

  const fillIn = (field, content) => {
    if (field.localName === "select") {
      for (const option of field.options) option.selected = content.includes(option.value);
    } else if (!isField(field)) {
      if (field.isContentEditable && field.innerHTML !== content) field.innerHTML = content;
    } else if (isChecked(field)) {
      field.checked = content;
    } else if (field.type !== "file" && field.value !== content) {
      field.value = content;
    }
  };

  // A selector of an element that remains valid after small edits: by its `id`, by its name in a form, or by its position below such an element.
  const pathOf = (element) => {
    const unique = (path) => (document.querySelectorAll(path).length === 1 ? path : undefined);
    const quoted = (name) => `[${name}="${CSS.escape(element.getAttribute(name))}"]`;
    const id = element.getAttribute("id");
    const byId = id && unique(`#${CSS.escape(id)}`);
    if (byId || !element.parentElement) return byId || element.localName;
    const named = ["type", "name", ...(isChecked(element) ? ["value"] : [])].filter((name) => element.hasAttribute(name));
    const byName = isField(element) && element.name && unique(element.localName + named.map(quoted).join(""));
    if (byName) return byName;
    const before = Array.from(element.parentElement.children).filter((other) => other.localName === element.localName);
    return `${pathOf(element.parentElement)} > ${CSS.escape(element.localName)}:nth-of-type(${before.indexOf(element) + 1})`;
  };

  const find = (path) => {
    try {
      return document.querySelector(path);
    } catch {
      return null;
    }
  };

  const scroll = ({ scrolled: parts, scroll: [x, y] }) => {
    for (const [path, left, top] of parts) find(path)?.scrollTo({ left, top, behavior: "instant" });
    if (window.scrollX !== x || window.scrollY !== y) window.scrollTo({ left: x, top: y, behavior: "instant" });
  };

  return {
    scroll,
    // In a page without scripts every difference from the default values is the visitor's.
    state() {
      const touched = Array.from(document.querySelectorAll(FIELDS)).filter(isTouched);
      if (touched.length > 0 && isScripted(document)) touched.length = 0;
      const filled = [...new Set([...fields, ...touched])].filter((field) => field.isConnected && !/^(file|password)$/.test(field.type));
      const focus = document.activeElement;
      const focused = focus && focus !== document.body && !isOurs(focus);
      return {
        fields: filled.map((field) => ({ path: pathOf(field), field, content: contentOf(field) })),
        details: [...toggled].filter((element) => element.isConnected)
          .map((element) => ({ path: pathOf(element), element, open: element.open })),
        scrolled: [...scrolled].filter((element) => element.isConnected).map((element) => [pathOf(element), element.scrollLeft, element.scrollTop]),
        scroll: [window.scrollX, window.scrollY],
        focus: focused && [pathOf(focus), focus.selectionStart, focus.selectionEnd],
      };
    },
    // Restores the state of elements that were replaced.
    restore(state) {
      const { fields: filled, details, focus } = state;
      for (const { path, content } of filled.filter(({ field }) => !field?.isConnected)) {
        const field = find(path);
        if (field) fillIn(field, content);
      }
      for (const { path, open } of details.filter(({ element }) => !element?.isConnected)) {
        const element = find(path);
        if (element?.localName === "details") element.open = open;
      }
      const focused = focus && find(focus[0]);
      if (focused && focused !== document.activeElement) {
        focused.focus({ preventScroll: true });
        try {
          focused.setSelectionRange(focus[1], focus[2]);
        } catch { /* Not every field has a selection. */ }
      }
      scroll(state);
    },
    // Runs a change of the page and restores the visitor's state. Untouched fields get their new default values.
    keep(change) {
      const state = this.state();
      const untouched = Array.from(document.querySelectorAll("input, textarea")).filter((field) => field.type !== "file" && !isTouched(field));
      change();
      for (const field of untouched.filter(isTouched)) fillIn(field, isChecked(field) ? field.defaultChecked : field.defaultValue);
      this.restore(state);
    },
  };
})();
