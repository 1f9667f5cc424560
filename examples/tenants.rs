//! An actix app with tenants: customers with pages of their own over those of everyone.
//!
//! Run `cargo run --example tenants --features web`, and open <http://127.0.0.1:8080/>, <http://127.0.0.1:8080/t/acme/> and
//! <http://127.0.0.1:8080/t/beta/>. The tenant `acme` has a brand of its own and `beta` a whole page; what a tenant does not have is that of
//! everyone. <http://127.0.0.1:8080/t/nobody/> is no tenant, and the answer is 404. A program with files has the texts of a tenant in
//! `tenants/<id>/`, and creating that directory creates the tenant.

use std::sync::Arc;

use actix_web::{App, HttpServer, Responder, get};
use hotplate::scope::{ScopeChooser, ScopeOptions, TenantFrom};
use hotplate::template::{Layer, Scope, Stage, TemplateKey, Tenant};
use hotplate::web::{Scopes, Templates, Web};
use hotplate::{Hotplate, MemoryLoader, TemplateName};
use serde_json::json;

/// The key of a text of a tenant, or of everyone.
fn key(tenant: Option<&str>, name: &str) -> Result<TemplateKey, Box<dyn std::error::Error>> {
    let tenant = tenant.map(Tenant::new).transpose()?;
    let stage = Stage::Stable;
    Ok(TemplateKey {
        layer: Layer::of(Scope { tenant, stage }),
        name: TemplateName::new(name)?,
    })
}

/// The extractor renders as the scope that the middleware has chosen.
#[get("/")]
async fn home(templates: Templates) -> impl Responder {
    templates.page("page.html", &json!({ "visitor": { "name": "you" } }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (loader, memory) = MemoryLoader::new();
    memory.set(
        key(None, "page.html")?,
        "<h1>{{ call brand.html with visitor }}</h1><p>Hello {visitor.name}!</p>",
    );
    memory.set(key(None, "brand.html")?, "The brand of everyone");
    memory.set(key(Some("acme"), "brand.html")?, "ACME");
    memory.set(key(Some("beta"), "page.html")?, "<p>Beta greets {visitor.name}.</p>");
    let hotplate = Hotplate::builder().loader(loader).start()?;

    let options = ScopeOptions {
        tenant_from: TenantFrom::Path,
        ..ScopeOptions::default()
    };
    let known = hotplate.clone();
    let chooser = ScopeChooser::new(&options)?
        .switch(Arc::clone(hotplate.stage_switch()))
        .tenants(move |id| known.snapshot().snapshot().tenant(id));
    let scopes = Scopes::new(Arc::new(chooser));
    let web = Web::new(hotplate);
    let app = move || App::new().wrap(scopes.clone()).configure(web.mount()).service(home);
    HttpServer::new(app).bind("127.0.0.1:8080")?.run().await?;
    Ok(())
}
