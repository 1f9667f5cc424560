//! [`Set`]: a few templates that call each other, without an engine.

use std::collections::HashMap;

use hotplate_actors::budget::Budget;
use hotplate_actors::diagnostic::Diagnostic;
use hotplate_actors::dialect::tiny::{Tiny, formatters::standard};
use hotplate_actors::dialect::{
    Closure, Dialect, Escape, Formatter, FormatterError, Frame, Member, Members, Missing, RenderError, TemplateId,
};
use hotplate_actors::value::{Arena, Value, build};
use hotplate_actors::{Digest, Limits, TemplateName};

/// The options of a render.
#[derive(Debug, Clone)]
pub(crate) struct How {
    pub(crate) escape: Escape,
    pub(crate) missing: Missing,
    pub(crate) limits: Limits,
}

impl Default for How {
    fn default() -> Self {
        Self {
            escape: Escape::Html,
            missing: Missing::Error,
            limits: Limits::default(),
        }
    }
}

pub(crate) struct Set(Vec<Option<Member>>);

impl Members for Set {
    fn member(&self, id: TemplateId) -> Option<&Member> {
        self.0.get(id.index())?.as_ref()
    }

    fn id(&self, name: &str) -> Option<TemplateId> {
        let of_name = |member: &Option<Member>| member.as_ref().is_some_and(|member| member.name.as_str() == name);
        let at = self.0.iter().position(of_name)?;
        u32::try_from(at).ok().map(TemplateId::new)
    }

    fn is_whole(&self, _id: TemplateId) -> bool {
        true
    }

    fn names(&self) -> Box<dyn Iterator<Item = &TemplateName> + '_> {
        Box::new(self.0.iter().flatten().map(|member| &member.name))
    }

    fn digest(&self) -> Digest {
        Digest::ZERO
    }
}

impl Set {
    /// Compiles templates. The first one is the entry.
    pub(crate) fn compile<'a>(
        templates: impl IntoIterator<Item = (&'a str, &'a str)>,
        limits: &Limits,
    ) -> Result<Self, Vec<Diagnostic>> {
        Self::compile_as(&Tiny, templates, limits)
    }

    /// Compiles templates of a dialect. The first one is the entry.
    pub(crate) fn compile_as<'a>(
        dialect: &dyn Dialect,
        templates: impl IntoIterator<Item = (&'a str, &'a str)>,
        limits: &Limits,
    ) -> Result<Self, Vec<Diagnostic>> {
        Self::compile_by(|_| dialect, templates, limits)
    }

    /// Compiles templates of several dialects. The first one is the entry.
    pub(crate) fn compile_by<'a, 'd>(
        dialect: impl Fn(&TemplateName) -> &'d dyn Dialect,
        templates: impl IntoIterator<Item = (&'a str, &'a str)>,
        limits: &Limits,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut formatters = standard();
        formatters.insert("refuse", Formatter::new(|_, _| Err(FormatterError::new("never"))));
        formatters.insert("panic", Formatter::new(|_, _| panic!("on purpose")));
        let unknown = Formatter::new(|_, _| Err(FormatterError::new("there is none")));
        let mut units = Vec::new();
        for (name, text) in templates {
            let name = TemplateName::new(name).expect("a valid name");
            let unit = dialect(&name).compile(text, limits)?;
            units.push((name, unit));
        }
        let ids: HashMap<_, _> = units.iter().map(|(name, _)| name.clone()).zip(0..).collect();
        let unknown_id = TemplateId::new(u32::MAX);
        let members = units.into_iter().map(|(name, unit)| {
            let callees = unit.calls().iter().map(|call| ids.get(&call.name).copied());
            let used = unit
                .formatters()
                .iter()
                .map(|each| formatters.get(&each.name).unwrap_or(&unknown));
            Some(Member {
                name,
                digest: Digest::of(unit.text().as_bytes()),
                callees: callees.map(|id| id.map_or(unknown_id, TemplateId::new)).collect(),
                formatters: used.cloned().collect(),
                companions: Box::default(),
                unit,
            })
        });
        Ok(Self(members.collect()))
    }

    pub(crate) fn entry(&self) -> Closure<'_> {
        let top = self.0.first().and_then(Option::as_ref).expect("an entry");
        Closure::new(self, top)
    }

    /// Renders the entry.
    pub(crate) fn render(&self, context: &serde_json::Value, how: &How) -> Result<String, RenderError> {
        let arena = Arena::new();
        let value = build(context, &arena, &how.limits).expect("JSON is a context");
        self.render_value(&value, how)
    }

    /// Renders the entry with a context that was built before.
    pub(crate) fn render_value(&self, value: &Value<'_>, how: &How) -> Result<String, RenderError> {
        let mut budget = Budget::new(&how.limits, None, None);
        let mut frame = Frame::new(&mut budget, how.escape, how.missing);
        let closure = self.entry();
        closure.top().unit.render(&closure, value, &mut frame)?;
        assert_eq!(frame.depth, 0, "every call came back");
        Ok(frame.body.to_text())
    }
}
