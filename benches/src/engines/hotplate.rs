//! hotplate by its parts: units, an arena, a frame; nothing that reloads around them.

use std::cell::RefCell;
use std::time::Instant;

use hotplate_actors::budget::Budget;
use hotplate_actors::dialect::tiny::Tiny;
use hotplate_actors::dialect::{Closure, Dialect, Escape, Frame, Member, Members, Missing, TemplateId};
use hotplate_actors::value::{Arena, build};
use hotplate_actors::{Digest, Limits, TemplateName};
use serde::Serialize;

use super::{ByName, Render, by_name, templates};
use crate::data::Workload;

/// A few templates that call each other.
pub struct Set {
    members: Vec<Member>,
    limits: Limits,
}

thread_local! {
    static ARENA: RefCell<Arena> = RefCell::default();
}

/// The templates of the benchmark.
pub fn hotplate() -> Set {
    Set::new(&templates!("tiny"))
}

pub(super) fn ready(workload: &Workload) -> Render<'_> {
    by_name(hotplate(), workload)
}

impl Set {
    /// Compiles templates.
    pub fn new(templates: &[(&str, &str)]) -> Self {
        let limits = Limits::default();
        let id_of = |name: &TemplateName| {
            let at = templates.iter().position(|(each, _)| *each == name.as_str());
            TemplateId::new(at.expect("the callee is there") as u32)
        };
        let members = templates.iter().map(|(name, text)| {
            let unit = Tiny.compile(text, &limits).expect("it compiles");
            Member {
                name: TemplateName::new(name).expect("a name"),
                digest: Digest::of(text.as_bytes()),
                callees: unit.calls().iter().map(|call| id_of(&call.name)).collect(),
                formatters: Box::default(),
                companions: Box::default(),
                unit,
            }
        });
        Self {
            members: members.collect(),
            limits,
        }
    }
}

impl Members for Set {
    fn member(&self, id: TemplateId) -> Option<&Member> {
        self.members.get(id.index())
    }
}

impl ByName for Set {
    fn render<T: Serialize>(&self, name: &str, data: &T) -> String {
        ARENA.with_borrow_mut(|arena| {
            arena.reset();
            let top = self.members.iter().find(|each| each.name.as_str() == name);
            let closure = Closure::new(self, top.expect("the template is there"));
            let value = build(data, arena, &self.limits).expect("data");
            let mut budget = Budget::new(&self.limits, Instant::now(), None, None);
            let mut frame = Frame::new(&mut budget, Escape::Html, Missing::Error, 0);
            let rendered = closure.top().unit.render(&closure, &value, &mut frame);
            rendered.expect("it renders");
            frame.output
        })
    }
}
