//! The dialect `tiny`: cases as data, and inputs that mean harm.

use hotplate_actors::Limits;
use serde_json::json;

use crate::set::{How, Set};

fn render(text: &str, context: serde_json::Value) -> String {
    let set = Set::compile([("page.html", text)], &Limits::default()).expect("compiles");
    set.render(&context, &How::default()).expect("renders")
}

#[test]
fn a_page_renders() {
    let text = "{{ for x in xs -}}\n {@index}/{x.name}{{ if not @last }}, {{ endif }}{{ endfor }}!";
    let context = json!({"xs": [{"name": "<a>"}, {"name": 1.0}, {"name": null}]});
    assert_eq!(render(text, context), "0/&lt;a&gt;, 1/1.0, 2/!");
}
