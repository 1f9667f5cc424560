//! Shadow renders: a page of stable is rendered by canary as well, off the path of its request.

use std::sync::Arc;

use super::unserved::render_entry;
use super::workspace::Workspace;
use super::{ContextSource, Reader, RenderOptions, find, place};
use crate::context::Context;
use crate::dialect::TemplateId;
use crate::snapshot::Scoped;
use crate::template::{Scope, Stage};

impl Reader {
    /// Has canary render a page of stable as well, if this request is in the sample and canary has another text.
    pub(super) fn shadow(
        &self,
        stands_for: u64,
        stable: Scoped<'_>,
        id: Option<TemplateId>,
        source: &(impl ContextSource + ?Sized),
        options: &RenderOptions,
        body: &str,
    ) {
        let shadow = self.shared.stages.shadow();
        let Some(taken) = shadow.place(stands_for) else { return };
        let snapshot = self.served.load_full();
        let Some(closure) = id.and_then(|id| stable.status(id).closure()) else {
            return;
        };
        let name = closure.top().name.clone();
        let scope = Scope {
            tenant: options.scope.tenant.clone(),
            stage: Stage::Canary,
        };
        if options.at.is_some() || !std::ptr::eq(&raw const *snapshot, stable.snapshot()) {
            return;
        }
        let digest = place(&snapshot, &scope).and_then(|canary| canary.closure_digest(find(canary, name.as_str())?));
        if digest.is_none_or(|digest| digest == closure.digest()) {
            return;
        }
        let limits = Arc::clone(&self.shared.limits);
        let data = Workspace::with(|arena, _| {
            let value = source.build(&closure, arena, &limits).ok()?;
            serde_json::to_value(value).ok()
        });
        let Some(data) = data else { return };
        let (body, shared) = (body.to_owned(), Arc::clone(shadow));
        let options = RenderOptions {
            scope,
            missing: options.missing,
            ..RenderOptions::default()
        };
        shadow.run(move || {
            let _taken = taken;
            let rendered = render_entry(&limits, &snapshot, name.as_str(), &Context::new(data), &options);
            let canary = rendered
                .as_ref()
                .map(|rendered| &*rendered.body)
                .map_err(ToString::to_string);
            shared.compared(&name, snapshot.version(), &body, canary);
        });
    }
}
