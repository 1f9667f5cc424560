//! Your own actor in place of the Renderer: it answers `Render` messages, here from a cache.
//!
//! Run `cargo run --example own_renderer`. Senders to `hotplate.renderer()` need no change, and still get `Busy`, `Timeout` and `Lost`.

use std::collections::HashMap;
use std::time::Duration;

use hotplate::supervision::{Behavior, Serve, Started};
use hotplate::{
    Context, Hotplate, MemoryLoader, Policy, Render, RenderFailure, Rendered, Strategy, TemplateName, Version,
};

/// A cache of rendered pages without data. It may be lost at any time, so it needs no `Vault`.
struct Caching {
    hotplate: Hotplate,
    pages: HashMap<String, Rendered>,
    version: Version,
    hits: u32,
}

impl Behavior for Caching {
    type Config = Hotplate;

    fn start(hotplate: &Hotplate) -> Started<Self> {
        Ok(Self {
            hotplate: hotplate.clone(),
            pages: HashMap::new(),
            version: Version::NONE,
            hits: 0,
        })
    }
}

impl Serve<Render> for Caching {
    async fn serve(&mut self, render: Render) -> Result<Rendered, RenderFailure> {
        let snapshot = self.hotplate.snapshot();
        if snapshot.version() != self.version {
            self.version = snapshot.version();
            self.pages.clear();
        }
        if let Some(page) = self.pages.get(&render.name) {
            self.hits += 1;
            println!("`{}` from the cache ({} so far)", render.name, self.hits);
            return Ok(page.clone());
        }
        let page = snapshot.request(&render.name).options(&render.options).render()?;
        self.pages.insert(render.name, page.clone());
        Ok(page)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (loader, memory) = MemoryLoader::new();
    memory.set(TemplateName::new("page.html")?, "version one");
    let hotplate = Hotplate::builder().loader(loader).watch(false).start()?;

    let group = hotplate.group("rendering", Strategy::OneForOne, Policy::never())?;
    let caching = group.start::<Caching>("caching-renderer", hotplate.clone(), Policy::default())?;
    let renderer = hotplate.renderer();
    renderer.replace_by(&caching);

    let page = || renderer.send(Render::new("page.html", Context::new(())));
    println!("{}", page().await?.body);
    println!("{}", page().await?.body);
    memory.set(TemplateName::new("page.html")?, "version two");
    hotplate.reload().await?;
    println!("{}", page().await?.body);

    renderer.replace(None);
    println!("{} (by the Renderer of the engine)", page().await?.body);
    assert!(hotplate.shutdown(Duration::from_secs(10)).await);
    Ok(())
}
