//! The servers of the benchmark `http`: actix-web with two workers, and one page that is rendered from one struct in different ways.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::http::header::ContentType;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use askama::Template;
use hotplate_actors::{Context, Hotplate, Render, Renders, TemplateHandle};
use serde::{Serialize, Serializer};

use crate::data::{self, Page};
use crate::engines::hotplate::{Language, builder};

/// The servers: the arguments that start them, and their names.
pub const KINDS: [(&str, &str); 7] = [
    ("handle", "hotplate, by handle"),
    ("jinja", "hotplate jinja, by handle"),
    ("message", "hotplate, by `Render` message"),
    ("askama", "askama"),
    ("minijinja", "minijinja, autoreload"),
    ("tera", "tera behind a lock"),
    ("static", "the bytes, not rendered"),
];

/// The data of the page, which all requests share.
#[derive(Clone)]
struct Shared(Arc<Page>);

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Serves one kind on a free loopback port, prints the port, and runs until it is killed.
///
/// # Errors
/// Returns the error if it cannot listen.
pub fn run(kind: &str) -> std::io::Result<()> {
    let page = Shared(Arc::new(data::page(50)));
    match kind {
        "handle" | "jinja" => {
            let language = if kind == "jinja" {
                Language::Jinja
            } else {
                Language::Tiny
            };
            let template = Data::new(start(language).handle("page.html"));
            serve(page, move |app| {
                app.app_data(template.clone()).route("/", web::get().to(by_handle));
            })
        }
        "message" => {
            let renders = Data::new(start(Language::Tiny).renderer());
            serve(page, move |app| {
                app.app_data(renders.clone()).route("/", web::get().to(by_message));
            })
        }
        "askama" => serve(page, |app| {
            app.route("/", web::get().to(by_askama));
        }),
        "minijinja" => {
            let reloader = Data::new(minijinja());
            serve(page, move |app| {
                app.app_data(reloader.clone()).route("/", web::get().to(by_minijinja));
            })
        }
        "tera" => {
            let tera = Data::new(RwLock::new(tera()));
            serve(page, move |app| {
                app.app_data(tera.clone()).route("/", web::get().to(by_tera));
            })
        }
        _ => {
            let text = start(Language::Tiny)
                .render("page.html", &page)
                .expect("it renders")
                .body;
            let bytes = Data::new(web::Bytes::from(text));
            serve(page, move |app| {
                app.app_data(bytes.clone()).route("/", web::get().to(bytes_only));
            })
        }
    }
}

fn serve(page: Shared, configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async move {
        let page = Data::new(page);
        let server = HttpServer::new(move || App::new().app_data(page.clone()).configure(configure.clone()))
            .workers(2)
            .bind(("127.0.0.1", 0))?;
        println!("{}", server.addrs().first().map_or(0, |address| address.port()));
        std::io::stdout().flush()?;
        server.run().await
    })
}

fn templates(folder: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")).join(folder)
}

fn html(body: impl Into<web::Bytes>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(body.into())
}

fn start(language: Language) -> Hotplate {
    let folder = match language {
        Language::Tiny => "tiny",
        Language::Jinja => "jinja",
    };
    builder(language).root(templates(folder)).start().expect("it starts")
}

async fn by_handle(template: Data<TemplateHandle>, page: Data<Shared>) -> HttpResponse {
    html(template.render(&*page.0).expect("it renders").body)
}

async fn by_message(renders: Data<Renders>, page: Data<Shared>) -> HttpResponse {
    let rendered = renders
        .send(Render::new("page.html", Context::new(Shared::clone(&page))))
        .await;
    html(rendered.expect("it renders").body)
}

#[derive(Template)]
#[template(path = "askama/page.html")]
struct ByAskama<'d> {
    data: &'d Page,
}

async fn by_askama(page: Data<Shared>) -> HttpResponse {
    html(ByAskama { data: &page.0 }.render().expect("it renders"))
}

fn minijinja() -> minijinja_autoreload::AutoReloader {
    minijinja_autoreload::AutoReloader::new(|notifier| {
        let mut environment = minijinja::Environment::new();
        environment.set_loader(minijinja::path_loader(templates("jinja")));
        notifier.watch_path(templates("jinja"), true);
        Ok(environment)
    })
}

async fn by_minijinja(reloader: Data<minijinja_autoreload::AutoReloader>, page: Data<Shared>) -> HttpResponse {
    let environment = reloader.acquire_env().expect("it loads");
    let template = environment.get_template("page.html").expect("it is there");
    html(template.render(minijinja::value::Serde(&*page.0)).expect("it renders"))
}

fn tera() -> tera::Tera {
    let mut tera = tera::Tera::default();
    let texts = [
        "page.html",
        "_head.html",
        "_header.html",
        "_nav.html",
        "_row.html",
        "_footer.html",
    ]
    .map(|name| {
        let text = std::fs::read_to_string(templates("jinja").join(name)).expect("it is there");
        (name, text.trim_end().to_owned())
    });
    tera.add_raw_templates(texts).expect("they compile");
    tera
}

async fn by_tera(tera: Data<RwLock<tera::Tera>>, page: Data<Shared>) -> HttpResponse {
    let context = tera::Context::from_serialize(&*page.0).expect("data");
    let tera = tera.read().unwrap_or_else(PoisonError::into_inner);
    html(tera.render("page.html", &context).expect("it renders"))
}

async fn bytes_only(bytes: Data<web::Bytes>) -> HttpResponse {
    html(web::Bytes::clone(&bytes))
}
