// Lays a new page into the one that is shown: what is the same stays, with its state.
const STATE = "data-hotplate";
// On an element of yours: leave this one to its scripts.
const KEEP = "data-hotplate-keep";

const isElement = (node) => node.nodeType === Node.ELEMENT_NODE;

const stateOf = (page) => {
  const script = page.querySelector(`script[${STATE}]`);
  return script && JSON.parse(script.getAttribute(STATE));
};

// Scripts that are laid in do not run: a page with a new one is loaded as a whole.
const hasNewScript = (next) => {
  const runs = (script) => /^$|^module$|^importmap$|javascript|ecmascript/i.test(script.type) && !script.hasAttribute(STATE);
  const key = (script) => JSON.stringify([script.type, script.getAttribute("src"), script.text]);
  const known = new Set(Array.from(document.scripts, key));
  return Array.from(next.scripts).some((script) => runs(script) && !known.has(key(script)));
};

const isTouched = (field) => {
  if (field.localName === "select") return Array.from(field.options).some((option) => option.selected !== option.defaultSelected);
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
};

const contentOf = (field) => {
  if (field.localName === "select") return Array.from(field.selectedOptions, (option) => option.value);
  return field.type === "checkbox" || field.type === "radio" ? field.checked : field.value;
};

const fillIn = (field, content) => {
  if (field.localName === "select") {
    for (const option of field.options) option.selected = content.includes(option.value);
  } else if (field.type === "checkbox" || field.type === "radio") {
    field.checked = content;
  } else if (field.type !== "file" && field.value !== content) {
    field.value = content;
  }
};

// The field that has taken the place of one.
const successor = (field) => {
  if (field.id) return document.getElementById(field.id);
  if (!field.name) return null;
  const same = Array.from(document.getElementsByName(field.name));
  return same.find((other) => other.localName === field.localName && other.type === field.type
    && (field.type !== "radio" || other.value === field.value)) || null;
};

const layIn = (next) => {
  const fields = Array.from(document.querySelectorAll("input, textarea, select")).filter(isTouched);
  const touched = new Map(fields.map((field) => [field, contentOf(field)]));
  const isOfTouched = (element) => touched.has(element.localName === "option" ? element.closest("select") : element);
  const scrolled = [window.scrollX, window.scrollY];
  Idiomorph.morph(document.documentElement, next.documentElement, {
    head: { shouldPreserve: (element) => element.hasAttribute(KEEP) },
    callbacks: {
      beforeNodeMorphed: (old) => !isElement(old) || !(
        overlay.isHost(old) || old.localName === "noscript" || old.hasAttribute(KEEP)
        // Somebody is writing in it.
        || (old.isContentEditable && old.contains(document.activeElement))),
      beforeNodeRemoved: (node) => !isElement(node) || !(overlay.isHost(node) || node.hasAttribute(KEEP)),
      beforeAttributeUpdated: (name, element, kind) => {
        if (["value", "checked", "selected"].includes(name)) return !isOfTouched(element);
        // Opened or closed by whoever reads the page.
        if (name === "open") return !["details", "dialog"].includes(element.localName);
        if (name === "nonce") return false;
        // Scripts of the page leave notes here.
        return kind === "update" || (element !== document.documentElement && element !== document.body);
      },
    },
  });
  for (const [field, content] of touched) {
    const now = field.isConnected ? field : successor(field);
    if (now) fillIn(now, content);
  }
  if (window.scrollY === 0 && scrolled[1] > 0) window.scrollTo({ left: scrolled[0], top: scrolled[1], behavior: "instant" });
};
