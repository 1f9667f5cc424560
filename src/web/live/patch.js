// Applies an edit to a page in place, as a three-way merge of trees: the page that the server sent before (`before`, `one`), the page that it
// sends now (`next`, `two`), and the live document, which scripts and the visitor have changed meanwhile (`live`). The differences between
// `before` and `next` are applied to the live document where it still equals `before`; everything else is left alone.
//
// Equal subtrees get equal numbers, so a comparison of two subtrees is one comparison of numbers. Children are matched by their longest common
// subsequence of equal subtrees, and between two of these by kind and order. All changes are collected first. If the result is not certain to
// equal a fresh load, `unsure` throws before the document is changed, and the page is reloaded instead.
const STATE = "data-hotplate";
// An author may set this attribute on an element: edits inside of it wait for the next load.
const KEEP = "data-hotplate-keep";
// Maximum size of the table for the comparison of two lists of children.
const CELLS_MAX = 4e6;

const unsure = (why) => { throw new Error(why); };

// Parses a page like a load does, including declarative shadow roots.
const parse = (html) => {
  if (/shadowrootmode\s*=\s*["']?closed/i.test(html)) unsure("the page contains a closed shadow root");
  // Without the second argument Chromium 156 drops comments.
  if (Document.parseHTMLUnsafe) return Document.parseHTMLUnsafe(html, {});
  if (/shadowrootmode/i.test(html)) unsure("this browser cannot parse declarative shadow roots from a string");
  return new DOMParser().parseFromString(html, "text/html");
};

const stateOf = (page) => {
  const script = page.querySelector(`script[${STATE}]`);
  return script && JSON.parse(script.getAttribute(STATE));
};

const isElement = (node) => node.nodeType === Node.ELEMENT_NODE;
const isOurs = (node) => isElement(node) && (node.localName === "hotplate-overlay" || node.hasAttribute("data-hotplate-leaves")
  || (node.localName === "script" && node.hasAttribute(STATE)));
const childrenOf = (node) => {
  const children = [];
  for (let child = node.firstChild; child; child = child.nextSibling) if (!isOurs(child)) children.push(child);
  return children;
};
// The parts of a node that have children: the node itself, the content of a template element, a shadow root.
const partsOf = (node) => (node.firstChild || node.content || node.shadowRoot || isElement(node)
  ? [node, (node.localName === "template" && node.content) || null, node.shadowRoot || null] : []);

const CONTENT = 1;
const optionsOf = (part) => (part.host ? [part.mode, part.delegatesFocus, part.clonable, part.serializable] : []);

const any = (node, test) => test(node) || partsOf(node).some((part) => part && childrenOf(part).some((child) => any(child, test)));

// Elements that take effect when they are loaded, not when they are changed, and elements that are parsed differently if scripts run.
const LOADED = "script, noscript, base, meta[http-equiv], meta[charset], iframe, frame, frameset, object, embed, video, audio, source, "
  + "track, canvas, [nonce]";
const isLoaded = (node) => (isElement(node) ? node.matches(LOADED) : node.nodeType === Node.DOCUMENT_TYPE_NODE);
const runs = (script) => /^$|^module$|^importmap$|javascript|ecmascript/i.test(script.type);
const isScripted = (page) => any(page, (node) => isElement(node)
  && ((node.localName === "script" && runs(node)) || node.getAttributeNames().some((name) => name.startsWith("on"))));
// The class of a custom element may do anything with its attributes and children.
const isCustom = (element) => customElements.get(element.getAttribute?.("is") || element.localName) !== undefined;

// Two nodes of equal kind may be the same node before and after an edit. The id is read as an attribute, because a form has its fields as
// properties, and a field may be called `id`.
const kindOf = (node) => {
  if (!isElement(node)) return String(node.nodeType);
  const { namespaceURI, localName } = node;
  const own = /^(html|head|body)$/.test(localName) ? [] : [node.getAttribute("id"), node.getAttribute("is")];
  const field = /^(input|button|select|textarea)$/.test(localName) ? [node.getAttribute("type"), node.getAttribute("name")] : [];
  return JSON.stringify([namespaceURI, localName, ...own, ...field]);
};

const attributesOf = (node) => Array.from(node.attributes || [], ({ name, value }) => [name, value])
  .filter(([name]) => name !== "nonce").sort();

// All texts and attribute values of a page, in which copies are searched.
const wordsOf = (page) => {
  const words = [];
  any(page, (node) => { words.push(node.nodeValue || "", ...attributesOf(node).map(([, value]) => value)); });
  return words.join("\n");
};
const count = (words, word) => words.split(word).length;

// Applies the differences between `before` and `next` to `document`, or throws and changes nothing.
const patch = (before, next) => {
  const todo = [];
  const scripted = isScripted(before) || isScripted(next);

  // Equal subtrees have equal numbers (hash consing).
  const known = new Map(), numbers = new Map();
  const numberOf = (node) => {
    let number = numbers.get(node);
    if (number === undefined) {
      const tree = node.nodeType === Node.TEXT_NODE ? `text ${node.nodeValue}` : JSON.stringify([
        node.nodeName, node.namespaceURI, node.nodeValue, node.publicId, node.systemId, ...attributesOf(node).flat(),
        ...partsOf(node).map((part) => part && [...optionsOf(part), ...childrenOf(part).map(numberOf)].join(" ")),
      ]);
      number = known.get(tree) ?? known.size;
      known.set(tree, number);
      numbers.set(node, number);
    }
    return number;
  };
  const same = (one, other) => numberOf(one) === numberOf(other);

  let was, is;
  // Rejects the change of a text or value of which a script may have a copy.
  const touch = (element, words) => {
    if (!scripted) return;
    if (isCustom(element)) unsure("a custom element is changed");
    const word = (words || "").trim();
    was ??= wordsOf(before);
    is ??= wordsOf(document);
    if (word && count(is, word) > count(was, word)) unsure("a script has copied what is changed");
  };

  const attributes = (one, two, live) => {
    for (const name of new Set([...one.getAttributeNames(), ...two.getAttributeNames()])) {
      const [from, to, now] = [one, two, live].map((element) => element.getAttribute(name));
      if (name === "nonce" || from === to) continue;
      // The visitor has opened or closed it.
      if (name === "open" && now !== from) continue;
      if (now !== from) unsure(`a script has changed the attribute ${name} too`);
      if (/^on|^(is|type)$/.test(name)) unsure(`${name} takes effect when a page is loaded`);
      const isPlain = name === "class" || name.startsWith("aria-") || name in live || name in (live.style || {});
      if (scripted && (!isPlain || name === "id" || name === "name")) unsure(`scripts may have read ${name}`);
      touch(live, name !== "class" && name !== "style" ? from : "");
      todo.push(() => {
        if (to === null) live.removeAttribute(name);
        else live.setAttributeNode(two.getAttributeNode(name).cloneNode());
      });
    }
  };

  // Matches each of `two` with its former node in `one`: equal subtrees by their longest common subsequence, others by kind between these.
  const match = (one, two) => {
    const twins = new Map();
    let start = 0, end = 0;
    const rest = () => Math.min(one.length, two.length) - start - end;
    while (rest() > 0 && same(one[start], two[start])) twins.set(two[start], one[start++]);
    while (rest() > 0 && same(one.at(-1 - end), two.at(-1 - end))) twins.set(two.at(-1 - end), one.at(-1 - end++));
    const a = one.slice(start, one.length - end), b = two.slice(start, two.length - end);
    if (a.length * b.length > CELLS_MAX) unsure("too much is changed at once");
    const width = b.length + 1;
    const lengths = new Uint32Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i--) {
      for (let j = b.length - 1; j >= 0; j--) {
        lengths[i * width + j] = same(a[i], b[j]) ? lengths[(i + 1) * width + j + 1] + 1
          : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
      }
    }
    // Between two equal nodes, nodes of the same kind are matched in their order.
    const alike = (olds, news) => {
      const kinds = olds.map(kindOf);
      let from = 0;
      for (const node of news) {
        const at = kinds.indexOf(kindOf(node), from);
        if (at < 0) continue;
        twins.set(node, olds[at]);
        from = at + 1;
      }
    };
    let i = 0, j = 0, from = [0, 0];
    while (i < a.length && j < b.length) {
      if (same(a[i], b[j])) {
        alike(a.slice(from[0], i), b.slice(from[1], j));
        twins.set(b[j++], a[i++]);
        from = [i, j];
      } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) {
        i++;
      } else {
        j++;
      }
    }
    alike(a.slice(from[0]), b.slice(from[1]));
    return twins;
  };

  const isAligned = (from, shown) => from.length === shown.length && from.every((node, at) => kindOf(node) === kindOf(shown[at]));

  // Returns a function that finds the live node of a child in the former page.
  const finder = (from, shown) => {
    if (isAligned(from, shown)) {
      // The number of children is no proof: a script may have sorted them.
      const now = new Set(scripted ? shown.map(numberOf) : []);
      if (from.some((node, at) => now.has(numberOf(node)) && !same(node, shown[at]))) unsure("a script has moved elements around it");
      return (node) => shown[from.indexOf(node)];
    }
    const key = (node) => kindOf(node) + (isElement(node) && node.getAttribute("id") ? "" : JSON.stringify(attributesOf(node)) + (node.nodeValue || ""));
    return (node) => {
      const found = [from, shown].map((list) => list.filter((other) => key(other) === key(node)));
      if (found.some((list) => list.length !== 1)) unsure("scripts have changed elements around it");
      return found[1][0];
    };
  };

  const children = (one, two, parent) => {
    const [from, to, shown] = [one, two, parent].map(childrenOf);
    const twins = match(from, to);
    const stay = new Set(twins.values());
    const added = to.filter((node) => !twins.has(node));
    const removed = from.filter((node) => !stay.has(node));
    let find;
    for (const [node, twin] of twins) {
      if (!same(node, twin)) compare(twin, node, () => (find ??= finder(from, shown))(twin));
    }
    if (added.length + removed.length === 0) return;
    if (!isAligned(from, shown)) unsure("scripts have changed elements around it");
    if (scripted && [...added, ...removed].some((node) => node.nodeType !== Node.TEXT_NODE)) {
      unsure("scripts may depend on elements that are added or removed");
    }
    if ([...added, ...removed].some((node) => any(node, isLoaded))) unsure("an added or removed element takes effect when it is loaded");
    touch(parent, "");
    const shownBy = new Map(from.map((node, at) => [node, shown[at]]));
    for (const node of removed) {
      if (!same(node, shownBy.get(node))) unsure("a removed element was changed in the page");
      touch(parent, node.nodeValue);
    }
    todo.push(() => {
      for (const node of removed) shownBy.get(node).remove();
      let last = null;
      for (const node of to) {
        const now = twins.has(node) ? shownBy.get(twins.get(node)) : document.adoptNode(node);
        if (!twins.has(node)) {
          if (last) last.after(now);
          else parent.prepend(now);
        }
        last = now;
      }
    });
  };

  const compare = (one, two, find) => {
    if ([one, two].some((node) => isElement(node) && node.hasAttribute(KEEP))) return;
    const live = find();
    if (isLoaded(one) || isLoaded(two)) unsure(`${one.nodeName} takes effect when it is loaded`);
    if (isElement(one)) {
      if (live.hasAttribute(KEEP)) return;
      attributes(one, two, live);
    } else if (one.nodeValue !== two.nodeValue) {
      if (live.nodeValue !== one.nodeValue) unsure("a script or the visitor has changed this text too");
      if (scripted && one.nodeType !== Node.TEXT_NODE) unsure("scripts may have read a comment");
      touch(live.parentNode, one.nodeValue);
      todo.push(() => { live.nodeValue = two.nodeValue; });
    }
    const [before, after, shown] = [one, two, live].map(partsOf);
    before.forEach((part, at) => {
      const other = after[at];
      if (!part && !other) return;
      if (!part || !other || !shown[at]) unsure("a shadow root is added or removed");
      if (optionsOf(part).join() !== optionsOf(other).join()) unsure("the options of a shadow root are changed");
      if (at === CONTENT && scripted && !same(one, two)) unsure("scripts may have used a template element");
      children(part, other, shown[at]);
    });
  };

  if (!same(before, next)) compare(before, next, () => document);
  todo.forEach((act) => act());
};
