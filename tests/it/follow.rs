//! A page that has followed an edit equals a fresh load, whatever its scripts do, and keeps what its visitor did. The tests run in a real
//! browser. A new case is a new row.

use serde_json::json;

use crate::browser::{Browser, browser};
use crate::files::Files;
use crate::http::Server;

/// The way in which a page followed an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FollowMode {
    /// In place: its scripts keep running.
    Patched,
    /// By a reload.
    Reloaded,
}

use FollowMode::{Patched, Reloaded};

/// Returns the page without the elements of live reload and without nonces, which change with each load.
const SEEN: &str = r#"
    const ours = node => node.nodeType === 1 && (node.localName === "hotplate-overlay" || node.hasAttribute("data-hotplate"));
    const all = nodes => Array.from(nodes).filter(node => !ours(node)).map(seen).join("");
    const seen = node => {
        if (node.nodeType === 3) return node.data;
        if (node.nodeType === 8) return `<!--${node.data}-->`;
        if (node.nodeType === 10) return `<!doctype ${[node.name, node.publicId, node.systemId]}>`;
        const attributes = Array.from(node.attributes, ({ name, value }) => ` ${name}=${value}`).filter(text => !text.startsWith(" nonce="));
        const space = node.namespaceURI === "http://www.w3.org/1999/xhtml" ? "" : node.namespaceURI + ":";
        const field = "value" in node && node.localName !== "li" ? `[${node.value},${node.checked}]` : "";
        const root = node.shadowRoot ? `#${[node.shadowRoot.mode, node.shadowRoot.delegatesFocus]}(${all(node.shadowRoot.childNodes)})` : "";
        const content = node.localName === "template" ? `#content(${all(node.content.childNodes)})` : "";
        return `<${space}${node.localName}${attributes.sort().join("")}>${field}${root}${content}${all(node.childNodes)}</>`;
    };
    const style = getComputedStyle(document.body);
    return [document.compatMode, style.color, style.direction, all(document.childNodes)].join("\n");
"#;

/// Returns a whole page: a body alone is wrapped, a document is returned as it is.
fn page(text: &str, script: &str) -> String {
    if text.starts_with("<!") || text.starts_with("<html") {
        return text.to_owned();
    }
    let script = if script.is_empty() {
        ""
    } else {
        "<script src=SCRIPT></script>"
    };
    format!(
        "<!doctype html>\n<html lang=en>\n<head>\n<title>t</title>\n</head>\n<body>\n{text}\n{script}</body>\n</html>\n"
    )
}

/// A description of the edit, the expected way to follow it, the text before and after, and the script of the page.
#[rustfmt::skip]
const EDITS: &[(&str, FollowMode, &str, &str, &str)] = &[
    // Without scripts.
    ("a text", Patched, "<p>one</p>", "<p>two</p>", ""),
    ("an element more", Patched, "<ul><li>1<li>2</ul>", "<ul><li>0<li>1<li>new<li>2</ul>", ""),
    ("an element less", Patched, "<p>a</p><hr><p>b</p>", "<p>a</p><p>b</p>", ""),
    ("the last of all, before the script that follows", Patched, "<p>a</p>", "<p>a</p><p>b</p>", ""),
    ("the order", Patched, "<ol><li id=a>1<li id=b>2<li id=c>3</ol>", "<ol><li id=c>3<li id=a>1<li id=b>2</ol>", ""),
    ("another element", Patched, "<p id=x>a</p>", "<h2 id=x>a</h2>", ""),
    ("a wrapper", Patched, "<form><input name=a></form>", "<div><form><input name=a></form></div>", ""),
    ("white space alone", Patched, "<pre>a b</pre>  <p>c</p>", "<pre>a  b</pre>\n<p>c</p>", ""),
    ("a comment", Patched, "<!-- one --><p>a</p>", "<!-- two --><p>a</p><!-- three -->", ""),
    ("attributes", Patched, "<p class=a title=x>a</p>", "<p class='a b' lang=de>a</p>", ""),
    ("an attribute with a strange name", Patched, "<p @click=a :b=1>a</p>", "<p @click=b :b=2 [c]=3>a</p>", ""),
    ("attributes of html and body", Patched, "<!doctype html><html lang=en><head><title>t</title></head><body class=a>x</body></html>", "<!doctype html><html lang=ar dir=rtl><head><title>t</title></head><body style='color: red'>x</body></html>", ""),
    ("the title", Patched, "<!doctype html><title>one</title><p>a</p>", "<!doctype html><title>two</title><p>a</p>", ""),
    ("a meta element", Patched, "<!doctype html><meta name=viewport content='width=1'><p>a", "<!doctype html><meta name=viewport content='width=device-width'><meta name=theme-color content=red><p>a", ""),
    ("a meta element that only a load obeys", Reloaded, "<!doctype html><meta http-equiv=content-language content=en><p>a", "<!doctype html><meta http-equiv=content-language content=de><p>a", ""),
    ("a style element", Patched, "<style>body \\{ color: red }</style>a", "<style>body \\{ color: blue }</style>a", ""),
    ("a style element more", Patched, "<!doctype html><head><title>t</title></head><body>a</body>", "<!doctype html><head><title>t</title><style>body \\{ color: blue }</style></head><body>a</body>", ""),
    ("another stylesheet", Patched, "<!doctype html><link rel=stylesheet href=/static/red.css><p>a", "<!doctype html><link rel=stylesheet href=/static/blue.css><p>a", ""),
    ("a stylesheet more", Patched, "<!doctype html><title>t</title><p>a", "<!doctype html><title>t</title><link rel=stylesheet href=/static/blue.css><p>a", ""),
    ("a stylesheet less", Patched, "<!doctype html><title>t</title><link rel=stylesheet href=/static/blue.css><p>a", "<!doctype html><title>t</title><p>a", ""),
    ("the content of a template element", Patched, "<template><p>one</p></template>", "<template><p>two</p><hr></template>", ""),
    ("a declarative shadow root", Patched, "<div><template shadowrootmode=open><p>one</p><slot></slot></template>a</div>", "<div><template shadowrootmode=open><p>two</p><b>new</b><slot></slot></template>a</div>", ""),
    ("one in one", Patched, "<div><template shadowrootmode=open><div><template shadowrootmode=open>one</template></div></template></div>", "<div><template shadowrootmode=open><div><template shadowrootmode=open>two</template></div></template></div>", ""),
    ("an element more with a declarative shadow root", Patched, "<p>a</p>", "<p>a</p><div><template shadowrootmode=open><b>b</b></template></div>", ""),
    ("a declarative shadow root that comes", Reloaded, "<div>a</div>", "<div><template shadowrootmode=open><slot></slot></template>a</div>", ""),
    ("one that is opened in another way", Reloaded, "<div><template shadowrootmode=open>a</template></div>", "<div><template shadowrootmode=open shadowrootdelegatesfocus>a</template></div>", ""),
    ("a closed one", Reloaded, "<div><template shadowrootmode=closed><p>one</p></template></div><p>a</p>", "<div><template shadowrootmode=closed><p>two</p></template></div><p>b</p>", ""),
    ("SVG", Patched, "<svg viewBox='0 0 1 1'><g><circle r=1 /></g></svg>", "<svg viewBox='0 0 2 2'><g><circle r=2 /><a xlink:href='#a'><text>t</text></a></g></svg>", ""),
    ("HTML in SVG, MathML", Patched, "<svg><foreignObject><p>a</p></foreignObject></svg><math><mi>x</mi></math>", "<svg><foreignObject><p>b</p><p>c</p></foreignObject></svg><math><mi>y</mi><mo>+</mo></math>", ""),
    ("a table", Patched, "<table><tr><td>1</table>", "<table><caption>c</caption><tr><td>1<tr><td>2</table>", ""),
    ("fields that nobody has touched", Patched, "<input value=a><input type=checkbox><select><option>1<option>2</select><textarea>t</textarea>", "<input value=b><input type=checkbox checked><select><option>1<option selected>2</select><textarea>u</textarea>", ""),
    ("the type of a field", Patched, "<input name=a type=text value=1>", "<input name=a type=range value=2>", ""),
    ("a form whose fields are called as its properties", Patched, "<form><input name=id><input name=name><p>one</p></form>", "<form><input name=id><input name=name><p>two</p><hr></form>", ""),
    ("details that are opened", Patched, "<details><summary>s</summary>a</details>", "<details open><summary>s</summary>b</details>", ""),
    ("details that are closed", Patched, "<details open><summary>s</summary>a</details>", "<details><summary>s</summary>b</details>", ""),
    ("noscript", Reloaded, "<noscript><p>one</p></noscript>", "<noscript><p>two</p></noscript>", ""),
    ("noscript that ends the head", Patched, "<!doctype html><head><noscript><img alt=x></noscript><title>t</title></head><body><p id=p>one</p></body>", "<!doctype html><head><noscript><img alt=x></noscript><title>t</title></head><body><p id=p>two</p></body>", ""),
    ("text beside noscript", Patched, "<noscript><p>one</p></noscript><p>a</p>", "<noscript><p>one</p></noscript><p>b</p>", ""),
    ("a frame", Reloaded, "<iframe srcdoc='<p>one'></iframe>", "<iframe srcdoc='<p>two'></iframe>", ""),
    ("a video", Reloaded, "<video></video>", "<video muted controls></video>", ""),
    ("the base", Reloaded, "<!doctype html><base href=/a/><p>a", "<!doctype html><base href=/b/><p>a", ""),
    ("the document type", Reloaded, "<!doctype html><p>a", "<html><p>a", ""),
    ("a document type of old", Reloaded, "<!doctype html><p>a", "<!doctype html public '-//W3C//DTD HTML 4.01//EN' 'http://www.w3.org/TR/html4/strict.dtd'><p>a", ""),
    ("no body", Patched, "<!doctype html><title>t</title>a", "<!doctype html><title>t</title>b<p>c", ""),
    ("everything", Patched, "<p>a</p><ul><li>1</ul>", "<section><h1>b</h1></section>", ""),
    ("nothing that is seen", Patched, "<p>a</p>", "<p  >a</p>", ""),
    ("a script that comes", Reloaded, "<p>a</p>", "<p>a</p><script>document.body.append('ran')</script>", ""),
    ("a script that goes", Reloaded, "<p>a</p><script>document.body.append('ran')</script>", "<p>a</p>", ""),
    ("a script that is another one", Reloaded, "<script>document.body.append('one')</script>", "<script>document.body.append('two')</script>", ""),
    ("data for scripts", Reloaded, "<script type=application/json>1</script>", "<script type=application/json>2</script>", ""),
    ("a handler in an attribute", Reloaded, "<body onload='this.title = 1'>a", "<body onload='this.title = 2'>a", ""),
    // With scripts.
    ("html class and data-theme that a script changed", Patched, "<!doctype html><html class=no-js data-theme=light><body><p>one</p><script src=SCRIPT></script></body></html>", "<!doctype html><html class=no-js data-theme=light><body><p>two</p><script src=SCRIPT></script></body></html>", "document.documentElement.className = 'js'; document.documentElement.dataset.theme = 'dark'"),
    ("html attributes that a script and the edit changed", Reloaded, "<!doctype html><html class=no-js><body><script src=SCRIPT></script></body></html>", "<!doctype html><html class='no-js wide'><body><script src=SCRIPT></script></body></html>", "document.documentElement.classList.replace('no-js', 'js')"),
    ("html attributes beside those that a script changed", Patched, "<!doctype html><html class=no-js lang=en><body>a<script src=SCRIPT></script></body></html>", "<!doctype html><html class=no-js lang=de dir=rtl><body>a<script src=SCRIPT></script></body></html>", "document.documentElement.classList.replace('no-js', 'js')"),
    ("a list that a script filled", Patched, "<p>one</p><ul id=l></ul>", "<p>two</p><ul id=l></ul>", "for (const i of [1, 2, 3]) l.append(Object.assign(document.createElement('li'), { textContent: i }))"),
    ("the attributes of such a list", Patched, "<ul id=l></ul>", "<ul id=l class=wide></ul>", "for (const i of [1, 2, 3]) l.append(document.createElement('li'))"),
    ("an element beside what a script made", Reloaded, "<p>one</p>", "<p>one</p><p>two</p>", "for (const p of document.querySelectorAll('p')) p.append('!')"),
    ("a text that a script changed", Reloaded, "<p id=p>one</p>", "<p id=p>two</p>", "p.firstChild.data += ' by a script'"),
    ("a text that a script copied", Reloaded, "<nav></nav><h2>first</h2>", "<nav></nav><h2>second</h2>", "for (const h of document.querySelectorAll('h2')) document.querySelector('nav').append(h.textContent)"),
    ("a value that a script copied", Reloaded, "<a href=/x title=tip>a</a>", "<a href=/x title=hint>a</a>", "document.body.append(document.querySelector('a').title)"),
    ("an id that a script may look for", Reloaded, "<p id=a>a</p><p id=b>b</p>", "<p id=b>a</p><p id=a>b</p>", "document.getElementById('a').append('!')"),
    ("data for a script in an attribute", Reloaded, "<canvas></canvas><div id=d data-points=1></div>", "<canvas></canvas><div id=d data-points=2></div>", "d.append('drawn: ' + d.dataset.points * 2)"),
    ("a template element that a script used", Reloaded, "<template id=t><b>one</b></template>", "<template id=t><b>two</b></template>", "document.body.append(t.content.cloneNode(true))"),
    ("a text after what a script put before it", Patched, "<main><p>one</p></main>", "<main><p>two</p></main>", "document.body.prepend(document.createElement('header'))"),
    ("one of many beside what a script put there", Reloaded, "<p>a</p><p>b</p>", "<p>a</p><p>c</p>", "document.body.prepend(document.createElement('p'))"),
    ("a row of a table that a script sorted", Reloaded, "<table><tbody id=t><tr><td>b<td>5<tr><td>a<td>5</table>", "<table><tbody id=t><tr><td>b<td>6<tr><td>a<td>5</table>", "t.append(t.rows[0])"),
    ("a custom element that makes its content", Patched, "<p>one</p><c-x></c-x>", "<p>two</p><c-x></c-x>", "customElements.define('c-x', class extends HTMLElement { connectedCallback() { this.innerHTML = '<b>made</b>' } })"),
    ("a custom element that removes itself", Patched, "<p>one</p><c-r>note</c-r><footer>foot</footer>", "<p>two</p><c-r>note</c-r><footer>foot</footer>", "customElements.define('c-r', class extends HTMLElement { connectedCallback() { this.remove() } })"),
    ("the attributes of a custom element", Reloaded, "<c-a title=1></c-a>", "<c-a title=2></c-a>", "customElements.define('c-a', class extends HTMLElement { connectedCallback() { this.textContent = this.title * 2 } })"),
    ("the text of a custom element", Reloaded, "<c-t>a</c-t>", "<c-t>b</c-t>", "customElements.define('c-t', class extends HTMLElement { connectedCallback() { this.textContent += '!' } })"),
    ("what a custom element only surrounds", Patched, "<c-s><p>one</p></c-s>", "<c-s><p>two</p></c-s>", "customElements.define('c-s', class extends HTMLElement { constructor() { super(); this.attachShadow({ mode: 'open' }).innerHTML = '<slot></slot>' } })"),
    ("a shadow root that a custom element takes over", Reloaded, "<c-d><template shadowrootmode=open>one</template></c-d>", "<c-d><template shadowrootmode=open>two</template></c-d>", "customElements.define('c-d', class extends HTMLElement { constructor() { super(); this.attachShadow({ mode: 'open' }).innerHTML = 'own' } })"),
    ("a stylesheet that a script adopted", Patched, "<p>one</p>", "<p>two</p>", "const s = new CSSStyleSheet(); s.replaceSync('body { color: green }'); document.adoptedStyleSheets = [s]"),
    ("a class beside a script", Patched, "<p class=a>a</p>", "<p class=b>a</p>", "document.title = 'by a script'"),
    ("the title that a script set", Reloaded, "<!doctype html><title>one</title><script src=SCRIPT></script>", "<!doctype html><title>two</title><script src=SCRIPT></script>", "document.title = '(1) ' + document.title"),
    ("a text where there was none", Patched, "<p></p>", "<p>two</p>", "document.title = 'by a script'"),
    ("what a script removed", Reloaded, "<p id=p>one</p><p>a</p>", "<p id=p>two</p><p>a</p>", "p.remove()"),
    ("a field that a script filled in", Reloaded, "<input id=i value=1><output id=o></output>", "<input id=i value=2><output id=o></output>", "o.value = i.value * 2; i.setAttribute('value', i.value + '!')"),
];

/// Actions of a visitor, and the state that has to remain after an edit.
struct Visit {
    name: &'static str,
    how: FollowMode,
    before: &'static str,
    after: &'static str,
    /// The body of the page.
    script: &'static str,
    /// The actions: a script, and keys that are pressed.
    act: &'static str,
    keys: &'static str,
    /// The expression that has to be true after the edit.
    still: &'static str,
}

/// An element that takes effect only at a load, so that it forces a reload.
const ONE: &str = "<!doctype html><meta http-equiv=content-language content=en><title>t</title>";
const TWO: &str = "<!doctype html><meta http-equiv=content-language content=de><title>t</title>";

#[rustfmt::skip]
const VISITS: &[Visit] = &[
    Visit { name: "typed text, focus and caret", how: Patched, before: "<p>one</p><input name=a>", after: "<p>two</p><hr><input name=a class=b>", script: "",
        act: "document.querySelector('input').focus()", keys: "typed\u{e012}", still: "(i => i.value === 'typed' && i === document.activeElement && i.selectionStart === 4)(document.querySelector('input'))" },
    Visit { name: "typed text in a field that the edit moves", how: Patched, before: "<form><input name=a></form>", after: "<div><form><input name=a></form></div>", script: "",
        act: "document.querySelector('input').focus()", keys: "typed", still: "(i => i.value === 'typed' && i === document.activeElement && i.selectionStart === 5)(document.querySelector('div input'))" },
    Visit { name: "typed text where the edit changes what was there", how: Patched, before: "<textarea id=t>one</textarea><input id=i value=one><input id=u value=one>", after: "<textarea id=t>two</textarea><input id=i value=two><input id=u value=two>", script: "",
        act: "t.value = 'mine'; i.value = 'mine'; u.value = 'x'; u.value = 'one'", keys: "", still: "t.value === 'mine' && i.value === 'mine' && u.value === 'two'" },
    Visit { name: "typed text and focus after a load", how: Reloaded, before: ONE, after: TWO, script: "",
        act: "scrollTo(0, 700); document.querySelector('[name=b]').focus({ preventScroll: true })", keys: "typed\u{e012}\u{e012}", still: "(i => i.value === 'typed' && i === document.activeElement && i.selectionStart === 3)(document.querySelector('[name=b]'))" },
    Visit { name: "typed text in a page with scripts", how: Reloaded, before: "<p>one</p><form><input name=a><input name=b></form>", after: "<p>one</p><hr><form><input name=a><input name=b></form>", script: "document.querySelector('[name=b]').value = Math.random()",
        act: "window.name = document.querySelector('[name=b]').value; document.querySelector('[name=a]').focus()", keys: "typed", still: "document.querySelector('[name=a]').value === 'typed' && document.querySelector('[name=b]').value !== window.name" },
    Visit { name: "a password is written nowhere", how: Reloaded, before: ONE, after: TWO, script: "",
        act: "document.querySelector('[type=password]').focus()", keys: "secret", still: "!JSON.stringify({ ...sessionStorage }).includes('secret') && document.querySelector('[type=password]').value === ''" },
    Visit { name: "what was chosen, after a load", how: Reloaded, before: ONE, after: TWO, script: "",
        act: "document.querySelector('[type=checkbox]').click(); document.querySelectorAll('[type=radio]')[1].click(); document.querySelector('select').value = 'M'", keys: "", still: "document.querySelector('[type=checkbox]').checked && document.querySelectorAll('[type=radio]')[1].checked && document.querySelector('select').value === 'M'" },
    Visit { name: "how far it is scrolled, above an edit", how: Patched, before: "<p>one</p><div style='height: 3000px'></div>", after: "<p>two</p><div style='height: 3000px'></div><p>three</p>", script: "",
        act: "scrollTo(0, 700)", keys: "", still: "scrollY === 700" },
    Visit { name: "how far it is scrolled, after a load", how: Reloaded, before: ONE, after: TWO, script: "",
        act: "scrollTo(0, 700)", keys: "", still: "scrollY === 700" },
    Visit { name: "how far it is scrolled, where a script restores that", how: Reloaded, before: "<p>one</p><div style='height: 3000px'></div>", after: "<p>one</p><hr><div style='height: 3000px'></div>", script: "history.scrollRestoration = 'manual'",
        act: "scrollTo(0, 700)", keys: "", still: "scrollY === 700" },
    Visit { name: "how far a part is scrolled, after a load", how: Reloaded, before: ONE, after: TWO, script: "",
        act: "document.querySelector('#part').scrollTop = 300", keys: "", still: "document.querySelector('#part').scrollTop === 300" },
    Visit { name: "details that were opened", how: Patched, before: "<details><summary>s</summary>one</details>", after: "<details><summary>s</summary>two</details>", script: "",
        act: "document.querySelector('details').open = true", keys: "", still: "document.querySelector('details').open" },
    Visit { name: "details that were opened, after a load", how: Reloaded, before: ONE, after: TWO, script: "",
        act: "document.querySelector('details').open = true", keys: "", still: "document.querySelector('details').open" },
    Visit { name: "details that were opened and that the edit opens", how: Patched, before: "<details><summary>s</summary>one</details>", after: "<details open><summary>s</summary>two</details>", script: "",
        act: "document.querySelector('details').open = true", keys: "", still: "document.querySelector('details').open" },
    Visit { name: "a dialog that is shown", how: Patched, before: "<dialog id=d><p>one</p></dialog>", after: "<dialog id=d><p>two</p></dialog>", script: "",
        act: "d.showModal()", keys: "", still: "d.matches(':modal')" },
    Visit { name: "a popover that is shown", how: Patched, before: "<div popover id=d><p>one</p></div>", after: "<div popover id=d><p>two</p></div>", script: "",
        act: "d.showPopover()", keys: "", still: "d.matches(':popover-open')" },
    Visit { name: "a frame beside an edit", how: Patched, before: "<p>one</p><iframe srcdoc=a></iframe>", after: "<p>two</p><hr><iframe srcdoc=a></iframe>", script: "",
        act: "frames[0].mark = true", keys: "", still: "frames[0].mark" },
    Visit { name: "a video beside an edit", how: Patched, before: "<p>one</p><video></video>", after: "<hr><p>two</p><video></video>", script: "",
        act: "document.querySelector('video').volume = 0.5", keys: "", still: "document.querySelector('video').volume === 0.5" },
    Visit { name: "written text beside an edit", how: Patched, before: "<p>one</p><div contenteditable id=w>write</div>", after: "<p>two</p><div contenteditable id=w>write</div>", script: "",
        act: "w.focus()", keys: "mine ", still: "w.textContent === 'mine write' && document.activeElement === w" },
    Visit { name: "written text where the edit changes what was there", how: Reloaded, before: "<div contenteditable id=w>write</div>", after: "<div contenteditable id=w>write here</div>", script: "",
        act: "w.focus()", keys: "mine ", still: "w.textContent === 'mine write' && document.activeElement === w" },
    Visit { name: "what a script counted", how: Patched, before: "<p>one</p><button id=b>0</button>", after: "<p class=x>two</p><button id=b>0</button>", script: "b.addEventListener('click', () => { b.textContent++ })",
        act: "b.click(); b.click(); b.click()", keys: "", still: "(b.click(), b.textContent === '4')" },
    Visit { name: "what a script opened, with an edit in it", how: Patched, before: "<div id=m hidden><p id=p>one</p></div>", after: "<div id=m hidden><p id=p>two</p></div>", script: "window.show = () => { m.hidden = false; m.className = 'shown'; document.body.append(document.createElement('hr')) }",
        act: "show()", keys: "", still: "!m.hidden && m.className === 'shown' && document.querySelector('hr') && p.textContent === 'two'" },
    Visit { name: "what a widget moved away", how: Patched, before: "<p>one</p><aside><b>w</b></aside>", after: "<p>two</p><aside><b>w</b></aside>", script: "const w = document.createElement('div'); document.body.append(w); w.append(document.querySelector('b'))",
        act: "", keys: "", still: "document.querySelector('div > b') && !document.querySelector('aside > b')" },
    Visit { name: "what is left to its scripts", how: Patched, before: "<p>one</p><div data-hotplate-keep id=k title=1>server</div>", after: "<p>two</p><div data-hotplate-keep id=k title=2><hr>server, edited</div>", script: "k.textContent = 'mine'",
        act: "", keys: "", still: "k.textContent === 'mine' && k.title === '1'" },
    Visit { name: "what a script asks to leave to it", how: Patched, before: "<p>one</p><div id=k>server</div>", after: "<p>two</p><div id=k>server, edited</div>", script: "k.textContent = 'mine'; k.setAttribute('data-hotplate-keep', '')",
        act: "", keys: "", still: "k.textContent === 'mine'" },
];

fn files<'r>(rows: impl Iterator<Item = (&'r str, &'r str)>) -> Files {
    let files = Files::new(&[
        ("templates/index.html", "<!doctype html><title>t</title>"),
        ("static/red.css", "body { color: red }"),
        ("static/blue.css", "body { color: blue }"),
    ]);
    for (row, (before, script)) in rows.enumerate() {
        write(&files, row, before, script);
        files.write(&format!("static/{row}.js"), script);
    }
    files
}

fn write(files: &Files, row: usize, text: &str, script: &str) {
    let page = page(text, script).replace("SCRIPT", &format!("/static/{row}.js"));
    files.write(&format!("templates/{row}.html"), &page);
}

/// Opens a page and sets a mark in it, by which a reload is detected.
fn open(browser: &Browser, url: &str) {
    browser.open(url);
    browser.run("window.same = true; document.addEventListener('hotplate:update', () => { window.updated = true })");
}

/// Waits until a page has followed an edit, and returns the way in which it did.
fn followed(browser: &Browser) -> FollowMode {
    browser.wait_for(
        "(window.updated || !window.same) && document.readyState === 'complete' \
         && [...document.querySelectorAll('link[rel=stylesheet]')].every(link => link.sheet?.href === link.href)",
    );
    let same = browser.run("return window.same === true");
    if same == json!(true) { Patched } else { Reloaded }
}

#[test]
fn a_followed_page_equals_a_fresh_load() {
    let browser = browser!();
    let files = files(EDITS.iter().map(|(_, _, before, _, script)| (*before, *script)));
    let server = Server::start(&files);
    let mut wrong = Vec::new();
    for (row, (name, how, _, after, script)) in EDITS.iter().enumerate() {
        let url = format!("http://{}/{row}", server.address);
        open(&browser, &url);
        let first = browser.run(SEEN);
        write(&files, row, after, script);
        let found = followed(&browser);
        let shown = browser.run(SEEN);
        browser.open(&url);
        browser.wait_for("document.readyState === 'complete'");
        let fresh = browser.run(SEEN);
        if shown != fresh {
            wrong.push(format!("{name}\n{found:?}: {shown}\nfresh: {fresh}"));
        } else if found != *how {
            wrong.push(format!("{name}\n{found:?}, not {how:?}"));
        }
        // The edit has to change the page, or the case would prove nothing.
        assert!(
            first != fresh || *how == Reloaded || *name == "nothing that is seen",
            "{name}"
        );
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        EDITS.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn the_state_of_the_visitor_is_kept() {
    let browser = browser!();
    // Everything that a reload has to restore, in one page.
    let form = "<form><input name=a><input name=b><input type=password name=p><input type=checkbox name=c><input type=radio name=r value=1>\
                <input type=radio name=r value=2><select name=s><option>S<option>M</select></form>\
                <details><summary>s</summary>a</details><div id=part style='height: 100px; overflow: auto'><div style='height: 900px'></div></div>\
                <div style='height: 3000px'></div>";
    let whole = |text: &str| {
        if text.starts_with("<!") {
            format!("{text}{form}")
        } else {
            text.to_owned()
        }
    };
    let before: Vec<String> = VISITS.iter().map(|visit| whole(visit.before)).collect();
    let files = files(
        VISITS
            .iter()
            .zip(&before)
            .map(|(visit, before)| (before.as_str(), visit.script)),
    );
    let server = Server::start(&files);
    let mut wrong = Vec::new();
    for (row, visit) in VISITS.iter().enumerate() {
        open(&browser, &format!("http://{}/{row}", server.address));
        browser.wait_for("document.readyState === 'complete'");
        browser.run(visit.act);
        if !visit.keys.is_empty() {
            browser.press(visit.keys);
        }
        write(&files, row, &whole(visit.after), visit.script);
        let found = followed(&browser);
        // After a reload the scroll position is restored with a short delay.
        let still = browser.comes_true(visit.still);
        if !still || found != visit.how {
            wrong.push(format!("{}: {found:?}, still {still}", visit.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        VISITS.len(),
        wrong.join("\n")
    );
}
