//! Measures the time until browsers show an edit. The times are printed; assertions are limited to conditions that hold even on a busy
//! machine.
//!
//! `cargo test --release --test it -- --ignored --nocapture --test-threads 1 pace`

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime};

use actix_web::App;
use actix_web::dev::Service;
use actix_web::test::{TestRequest, init_service};
use hotplate::site::{Site, SiteData};
use hotplate::web::{Pages, Web};
use tokio::io::AsyncReadExt;

use crate::browser::browser;
use crate::files::{Files, shop};
use crate::http::Server;

/// Generous bound for each wait; a test that reaches it fails.
const WAIT_MAX: Duration = Duration::from_secs(60);

fn page(text: &str) -> String {
    format!("<!doctype html><html><body>{{{{ call _parts/head.html with page }}}}<p id=own>{text}</p></body></html>")
}

/// Creates a site with a number of pages that share one partial.
fn site(pages: usize) -> Files {
    let files = Files::new(&[
        ("templates/_parts/head.html", "<h1 id=head>{title}</h1>"),
        ("data/_all.json", r#"{"page": {"title": "title"}}"#),
    ]);
    for number in 0..pages {
        files.write(&format!("templates/{}/{number}.html", number / 100), &page("first"));
    }
    files
}

/// Opens an event stream and reads the head of its answer.
fn follow(server: &Server, path: &str) -> BufReader<TcpStream> {
    let stream = server.send("GET", path);
    stream.set_read_timeout(Some(WAIT_MAX)).expect("set");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line.trim_end() != "event: page" {
        line.clear();
        assert!(
            reader.read_line(&mut line).expect("read") > 0,
            "it ended before its first event"
        );
    }
    reader
}

fn quantiles(mut times: Vec<f64>) -> String {
    times.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    format!(
        "median {:.1} ms, p99 {:.1} ms, worst {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    )
}

#[test]
fn browsers_that_never_read_block_nothing() {
    let files = site(1);
    let server = Server::start(&files);
    let path = "/_hotplate/live?entry=0/0.html";
    let unread: Vec<TcpStream> = (0..200).map(|_| server.send("GET", path)).collect();
    let mut reads = follow(&server, path);
    for number in 0..20 {
        files.write(
            "templates/0/0.html",
            &page(&format!("{{{{ if }}}} {number} {}", "x".repeat(10_000))),
        );
        let mut line = String::new();
        while !line.contains("\"findings\":{") {
            line.clear();
            assert!(reads.read_line(&mut line).expect("read in time") > 0);
        }
        files.write("templates/0/0.html", &page(&format!("{number}")));
        while !line.contains("\"findings\":null") {
            line.clear();
            assert!(reads.read_line(&mut line).expect("read in time") > 0);
        }
    }
    assert_eq!(server.get("/0/0").status, 200);
    drop(unread);
}

#[test]
fn the_number_of_browsers_is_limited() {
    let files = site(1);
    files.write("hotplate.toml", "[limits]\nlive_clients = 8\n");
    let server = Server::start(&files);
    let path = "/_hotplate/live?entry=0/0.html";
    let mut streams: Vec<_> = (0..8).map(|_| follow(&server, path)).collect();
    let one_more = server.get(path);
    assert_eq!(
        (one_more.status, one_more.header("retry-after")),
        (503, Some("5")),
        "{}",
        one_more.body
    );
    assert_eq!(server.get("/0/0").status, 200);
    streams.clear();
    // The server notices closed connections soon.
    let until = Instant::now() + WAIT_MAX;
    loop {
        let mut head = [0; 12];
        server.send("GET", path).read_exact(&mut head).expect("an answer");
        if &head == b"HTTP/1.1 200" {
            break;
        }
        assert!(Instant::now() < until, "places are not given back");
    }
}

#[test]
#[ignore = "measures"]
fn time_until_a_thousand_browsers_are_informed() {
    const BROWSERS: usize = 1_000;
    let files = site(100);
    let server = Server::start(&files);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut slowest, mut all) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        let mut streams = Vec::new();
        for number in 0..BROWSERS {
            let entry = format!("0/{}.html", number % 100);
            let mut stream = tokio::net::TcpStream::connect(&server.address).await.expect("connects");
            let request = format!(
                "GET /_hotplate/live?entry={entry} HTTP/1.1\r\nhost: {}\r\n\r\n",
                server.address
            );
            tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
                .await
                .expect("sent");
            streams.push(stream);
        }
        let mut bytes = vec![0; 64 * 1024];
        for stream in &mut streams {
            let mut text = String::new();
            while !text.contains("event: styles") {
                let read = stream.read(&mut bytes).await.expect("read");
                text += &String::from_utf8_lossy(&bytes[..read]);
            }
        }
        for edit in 0..20 {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(BROWSERS);
            let waiting = streams.drain(..).map(|mut stream| {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    let read = stream.read(&mut bytes).await.expect("read");
                    sender.send(Instant::now()).await.expect("receiver");
                    assert!(read > 0);
                    stream
                })
            });
            let waiting: Vec<_> = waiting.collect();
            tokio::task::yield_now().await;
            let began = Instant::now();
            files.write("templates/_parts/head.html", &format!("<h1 id=head>{edit}</h1>"));
            let mut worst = 0.0_f64;
            for _ in 0..BROWSERS {
                let at = receiver.recv().await.expect("sender") - began;
                worst = worst.max(at.as_secs_f64() * 1e3);
                all.push(at.as_secs_f64() * 1e3);
            }
            slowest.push(worst);
            for waited in waiting {
                streams.push(waited.await.expect("a stream"));
            }
        }
    });
    println!(
        "from the save until one of {BROWSERS} browsers is informed: {}",
        quantiles(all)
    );
    println!(
        "from the save until the last of {BROWSERS} browsers is informed: {}",
        quantiles(slowest)
    );
}

#[test]
#[ignore = "measures"]
fn time_until_pixels_change() {
    let browser = browser!();
    for pages in [100, 10_000] {
        let files = site(pages);
        let server = Server::start(&files);
        for (what, file) in [
            ("its own file", "templates/0/7.html"),
            ("the partial of all", "templates/_parts/head.html"),
        ] {
            browser.open(&format!("http://{}/0/7", server.address));
            // The second frame callback runs after the frame with the change was submitted for drawing.
            browser.run(
                "window.seen = {}; new MutationObserver(() => requestAnimationFrame(() => { const channel = new MessageChannel(); \
                 channel.port1.onmessage = () => { window.seen[document.body.textContent] ??= performance.timeOrigin + performance.now() }; \
                 channel.port2.postMessage(0) })).observe(document, { subtree: true, childList: true, characterData: true })",
            );
            browser.wait_for("performance.getEntriesByType('resource').some(entry => entry.name.includes('live.js'))");
            let mut times = Vec::new();
            for edit in 0..100 {
                let (text, shown) = match file {
                    "templates/0/7.html" => (page(&format!("own {edit}")), format!("own {edit}")),
                    _ => (format!("<h1 id=head>all {edit}</h1>"), format!("all {edit}")),
                };
                let began = SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .expect("after 1970");
                files.write(file, &text);
                let seen = format!("Object.keys(window.seen).find(text => text.includes('{shown}'))");
                browser.wait_for(&seen);
                let at = browser
                    .run(&format!("return window.seen[{seen}]"))
                    .as_f64()
                    .expect("a time");
                times.push(at - began.as_secs_f64() * 1e3);
            }
            println!(
                "{pages} templates, from saving {what} until it is seen: {}",
                quantiles(times)
            );
        }
    }
}

#[actix_web::test]
#[ignore = "measures"]
async fn cost_of_a_page() {
    const PAGES: u32 = 20_000;
    let site = Site::open(shop()).expect("the shop");
    let hotplate = site.builder().watch(false).start().expect("starts");
    let began = Instant::now();
    let mut bytes = 0;
    for _ in 0..PAGES {
        bytes = hotplate
            .request("index.html")
            .with_source(SiteData)
            .render()
            .expect("renders")
            .body
            .len();
    }
    println!(
        "a render of {bytes} bytes: {:.1} µs",
        began.elapsed().as_secs_f64() * 1e6 / f64::from(PAGES)
    );
    for development in [false, true] {
        let pages = Pages::of(Web::new(hotplate.clone()).development(development), site.clone());
        let app = init_service(App::new().configure(|app| pages.configure(app))).await;
        let began = Instant::now();
        for _ in 0..PAGES {
            let answer = app
                .call(TestRequest::get().uri("/").to_request())
                .await
                .expect("an answer");
            assert_eq!(answer.status().as_u16(), 200);
        }
        let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(PAGES);
        println!("a page through the app without the network, development {development}: {each:.1} µs");
    }
}
