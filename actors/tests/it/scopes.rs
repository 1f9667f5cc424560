//! Texts of layers other than the shared stable one, which no engine serves yet.

use hotplate_actors::template::{Layer, Scope, Stage, TemplateKey, Tenant};
use hotplate_actors::{Hotplate, MemoryLoader, ReloadOutcome, TemplateName};

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// A text of another layer never replaces the shared one of its name, and hides no change that came with it once it is gone.
#[test]
fn texts_of_other_layers_are_refused_whole() {
    let acme = || Some(Tenant::new("acme").expect("a tenant"));
    for (tenant, stage, shown) in [
        (acme(), Stage::Stable, "`a.html (tenant acme)`"),
        (None, Stage::Canary, "`a.html (shared@canary)`"),
        (acme(), Stage::Experimental, "`a.html (tenant acme@experimental)`"),
    ] {
        let (loader, memory) = MemoryLoader::new();
        let name = TemplateName::new("a.html").expect("a name");
        memory.set(name.clone(), "one");
        let hotplate = Hotplate::builder().loader(loader).watch(false).start().expect("starts");
        let other = TemplateKey {
            layer: Layer::of(Scope { tenant, stage }),
            name: name.clone(),
        };
        memory.edit([(TemplateKey::from(name), Some("two")), (other.clone(), Some("theirs"))]);
        for _ in 0..2 {
            let report = block(hotplate.reload()).expect("an answer");
            let ReloadOutcome::Unreadable(reason) = report.outcome else {
                panic!("{report:?}");
            };
            assert!(reason.contains(shown) && reason.contains("shared stable"), "{reason}");
            assert_eq!(hotplate.render("a.html", &()).expect("goes on").body, "one");
        }
        memory.remove(other);
        let report = block(hotplate.reload()).expect("an answer");
        assert_eq!(report.outcome, ReloadOutcome::Published);
        assert_eq!(hotplate.render("a.html", &()).expect("renders").body, "two");
    }
}
