//! Blocking of a worker by a render in the worker itself and in the Renderer's pool, over real connections to a server with one worker.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Path};
use actix_web::{App, HttpServer, Responder, rt};
use hotplate::web::{Templates, Web};
use hotplate::{Builder, Hotplate, Limits, MemoryLoader, TemplateName};
use serde_json::json;

use crate::wire::{ask, connect, read};

async fn page(templates: Templates, name: Path<String>) -> impl Responder {
    templates.page(&name, &json!({ "many": vec![0; 1_000] }))
}

async fn apart(templates: Templates, name: Path<String>) -> impl Responder {
    templates.page_on_pool(&name, json!({ "many": vec![0; 1_000] })).await
}

/// An app with a single worker.
struct Scene {
    hotplate: Hotplate,
    memory: hotplate::MemoryHandle,
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Scene {
    fn start(templates: &[(&str, &str)], set: impl FnOnce(Builder) -> Builder) -> Self {
        let (loader, memory) = MemoryLoader::new();
        let name = |name: &str| TemplateName::new(name).expect("a name");
        memory.edit(templates.iter().map(|(path, text)| (name(path), Some(*text))));
        let engine = set(Hotplate::builder().loader(loader).watch(false));
        let hotplate = engine.start().expect("starts");
        let web = Web::new(hotplate.clone());
        let (ready, is_ready) = channel();
        let thread = std::thread::spawn(move || {
            rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .configure(web.mount())
                        .route("/page/{name}", web::get().to(page))
                        .route("/apart/{name}", web::get().to(apart))
                        .route("/quick", web::get().to(async || "quick"))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
                let server = server.bind("127.0.0.1:0").expect("binds");
                let address = server.addrs()[0];
                let server = server.run();
                ready.send((address, server.handle())).expect("the test waits");
                server.await.expect("serves");
            });
        });
        let (address, handle) = is_ready.recv().expect("starts");
        let thread = Some(thread);
        Self {
            hotplate,
            memory,
            address,
            handle,
            thread,
        }
    }

    fn get(&self, path: &str) -> crate::wire::Answer {
        ask(self.address, "GET", path, &[], "")
    }

    fn send(&self, path: &str) -> std::net::TcpStream {
        let mut stream = connect(self.address);
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Adds a formatter that reports its call and blocks until it is released.
fn blocking(builder: Builder) -> (Builder, Receiver<()>, Sender<()>) {
    let ((entered, has_entered), (go, may_go)) = (channel(), channel::<()>());
    let shared = Mutex::new((entered, may_go));
    let builder = builder.formatter("block", move |_, _| {
        if let Ok(shared) = shared.lock() {
            let _ = shared.0.send(());
            let _ = shared.1.recv();
        }
        Ok(())
    });
    (builder, has_entered, go)
}

#[test]
fn a_blocking_formatter_blocks_only_renders_in_the_worker() {
    let (mut has_entered, mut go) = (None, None);
    let scene = Scene::start(&[("blocks.html", "{many.0 | block}done")], |builder| {
        let (builder, entered, may_go) = blocking(builder);
        (has_entered, go) = (Some(entered), Some(may_go));
        builder
    });
    let (has_entered, go) = (has_entered.expect("set"), go.expect("set"));
    let mut apart = scene.send("/apart/blocks.html");
    has_entered.recv().expect("it is rendered");
    assert_eq!(scene.get("/quick").body, "quick", "others are answered meanwhile");
    go.send(()).expect("it waits");
    assert_eq!(read(&mut apart).body, "done");

    let mut page = scene.send("/page/blocks.html");
    has_entered.recv().expect("it is rendered");
    let mut quick = scene.send("/quick");
    quick.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
    let waits = quick.read(&mut [0; 1]).expect_err("there is no answer");
    assert!(
        matches!(waits.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{waits}"
    );
    go.send(()).expect("it waits");
    assert_eq!(read(&mut page).body, "done");
    quick.set_read_timeout(Some(crate::wire::WAIT_MAX)).expect("set");
    assert_eq!(read(&mut quick).body, "quick");
}

#[test]
fn a_looping_page_is_answered_with_its_last_good_version() {
    const DAY_MS: u64 = 86_400_000;
    let tried = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&tried);
    let scene = Scene::start(&[("loops.html", "good")], |builder| {
        let limits = Limits {
            render_steps: 10_000,
            breaker_pause_ms: DAY_MS,
            breaker_pause_max_ms: DAY_MS,
            ..Limits::default()
        };
        builder.limits(limits).formatter("count", move |_, _| {
            counts.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    });
    let loops = "{many.0 | count}{{ for a in many }}{{ for b in many }}{{ endfor }}{{ endfor }}";
    let name = TemplateName::new("loops.html").expect("a name");
    scene.memory.set(name, loops);
    let hotplate = scene.hotplate.clone();
    let reloaded = rt::System::new().block_on(async move { hotplate.reload().await });
    reloaded.expect("reloads");
    for _ in 0..10 {
        let answer = scene.get("/page/loops.html");
        assert_eq!((answer.status, &*answer.body), (200, "good"));
        assert_eq!(answer.header("x-hotplate-freshness"), Some("stale"));
    }
    let failures = Limits::default().breaker_failures;
    assert_eq!(tried.load(Ordering::SeqCst), failures as usize);
    assert_eq!(scene.hotplate.counters().breaker_opened, 1);
}
