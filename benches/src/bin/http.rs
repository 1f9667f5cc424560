//! The page over HTTP on the loopback: requests a second, and processor time of the server for each, with 64 and with 1,000
//! connections. Prints Markdown.
//!
//! `http --serve KIND` is the server, a process of its own whose CPU time it tells under `/cpu`; without arguments the same program
//! starts one after the other and asks them from as many connections, each of which sends its next request when it has the last
//! answer.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use cpu_time::ProcessTime;
use hotplate_actors::{Context, Render};
use hotplate_benches::data::{Workload, page};
use hotplate_benches::engines::{ENGINES, hotplate, minijinja, tera};
use hotplate_benches::measure::{Samples, rounds};
use hotplate_benches::table;
use minijinja_autoreload::AutoReloader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NAME: &str = "page.html";
const KINDS: [&str; 6] = ["static", "askama", "handle", "message", "minijinja", "tera"];
const BASE: usize = 1;
const TURN: Duration = Duration::from_millis(700);

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--serve"), Some(kind)) => serve(&kind),
        _ => measure(),
    }
}

// --- the server ---

fn serve(kind: &str) {
    match kind {
        "static" => {
            let body = web::Bytes::from(askama_page());
            run(move |config| {
                let body = body.clone();
                config.route("/", web::get().to(move || answer(body.clone())));
            });
        }
        "askama" => run(|config| {
            config.route("/", web::get().to(|| answer(askama_page())));
        }),
        "handle" => {
            let template = hotplate::start().handle(NAME);
            run(move |config| {
                let template = template.clone();
                let page = move || answer(template.render(&page(50)).expect("it renders").body);
                config.route("/", web::get().to(page));
            });
        }
        "message" => {
            let renderer = hotplate::start().renderer();
            run(move |config| {
                let renderer = renderer.clone();
                let page = move || {
                    let rendered = renderer.send(Render::new(NAME, Context::new(page(50))));
                    async move { answer(rendered.await.expect("it renders").body).await }
                };
                config.route("/", web::get().to(page));
            });
        }
        "minijinja" => {
            let reloader = Arc::new(AutoReloader::new(|_| Ok(minijinja::environment())));
            run(move |config| {
                let reloader = reloader.clone();
                let page = move || {
                    let environment = reloader.acquire_env().expect("it loads");
                    let template = environment.get_template(NAME).expect("it is there");
                    answer(
                        template
                            .render(::minijinja::value::Serde(page(50)))
                            .expect("it renders"),
                    )
                };
                config.route("/", web::get().to(page));
            });
        }
        "tera" => {
            let tera = Arc::new(RwLock::new(tera::loaded()));
            run(move |config| {
                let tera = tera.clone();
                let page = move || {
                    let context = ::tera::Context::from_serialize(&page(50)).expect("data");
                    answer(
                        tera.read()
                            .expect("no panic")
                            .render(NAME, &context)
                            .expect("it renders"),
                    )
                };
                config.route("/", web::get().to(page));
            });
        }
        other => panic!("no server `{other}`"),
    }
}

/// Made anew for each request, its data too, as a service does.
fn askama_page() -> String {
    let engine = ENGINES
        .iter()
        .find(|engine| engine.name == "askama")
        .expect("it is listed");
    let workload = Workload::Page(page(50));
    (engine.ready)(&workload)()
}

async fn answer(body: impl Into<web::Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(body.into())
}

/// Serves until the parent ends the process; says the port first.
fn run(routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) {
    let system = actix_web::rt::System::new();
    let served = system.block_on(async move {
        let cpu = || async { HttpResponse::Ok().body(ProcessTime::now().as_duration().as_nanos().to_string()) };
        let server = HttpServer::new(move || App::new().configure(routes.clone()).route("/cpu", web::get().to(cpu)))
            .backlog(4096)
            .workers(2)
            .bind(("127.0.0.1", 0))
            .expect("a port");
        println!("{}", server.addrs()[0].port());
        server.run().await
    });
    served.expect("it serves");
}

// --- the client ---

/// A server and its port.
struct Served {
    process: Child,
    port: u16,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn measure() {
    let servers: Vec<Served> = KINDS.iter().map(|kind| start(kind)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for connections in [64, 1000] {
        let mut samples = [const { (Samples(Vec::new()), Samples(Vec::new())) }; KINDS.len()];
        for _ in 0..rounds(9) {
            for (server, (each, cpu)) in servers.iter().zip(&mut samples) {
                let (requests, cpu_ns) = runtime.block_on(load(server.port, connections));
                each.0.push(TURN.as_nanos() as f64 / requests);
                cpu.0.push(cpu_ns / requests);
            }
        }
        let rows: Vec<_> = KINDS
            .iter()
            .zip(&samples)
            .map(|(kind, (each, cpu))| {
                let (time, used) = (each.ratio_to(&samples[BASE].0), cpu.ratio_to(&samples[BASE].1));
                vec![
                    (*kind).to_owned(),
                    format!("{:.0}", 1e9 / each.median()),
                    format!("{:.2}", 1.0 / time.median()),
                    table::time(cpu.median()),
                    table::ratio(&used),
                    table::spread(&used),
                ]
            })
            .collect();
        println!("### {connections} connections\n");
        let columns = [
            "the page by",
            "requests a second",
            "ratio to askama",
            "CPU of the server for each",
            "ratio to askama",
            "half of the rounds",
        ];
        table::print(&columns, &rows);
    }
    println!("Go (`net/http`, `html/template`): {}.", table::not_installed("go"));
}

fn start(kind: &str) -> Served {
    let this = std::env::current_exe().expect("this program");
    let mut process = Command::new(this)
        .args(["--serve", kind])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a server");
    let mut port = String::new();
    let output = process.stdout.take().expect("is piped");
    BufReader::new(output).read_line(&mut port).expect("a line");
    let port = port.trim().parse().expect("a port");
    Served { process, port }
}

/// Requests that were answered in one turn, and nanoseconds of CPU that the server took.
async fn load(port: u16, connections: usize) -> (f64, f64) {
    let mut asking = Connection::open(port).await;
    asking.get("/").await;
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let before = asking.cpu().await;
    let clients: Vec<_> = (0..connections)
        .map(|_| {
            let (over, answered) = (over.clone(), answered.clone());
            tokio::spawn(async move {
                let mut connection = Connection::open(port).await;
                while !over.load(Ordering::Relaxed) {
                    let length = connection.get("/").await.len();
                    assert!(length > 20_000, "a whole page, not {length} bytes");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let start = Instant::now();
    tokio::time::sleep(TURN).await;
    let requests = answered.load(Ordering::Relaxed) as f64 * TURN.as_secs_f64() / start.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("every request is answered");
    }
    let cpu = asking.cpu().await - before;
    let all = answered.load(Ordering::Relaxed) as f64;
    (requests, cpu / all * requests)
}

/// HTTP/1.1 as far as it is needed: one request at a time, answers with a length.
struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Connection {
    async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream,
            bytes: Vec::new(),
        }
    }

    /// The body.
    async fn get(&mut self, path: &str) -> &[u8] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await.expect("it is sent");
        self.bytes.clear();
        let (body, length) = loop {
            self.stream.read_buf(&mut self.bytes).await.expect("an answer");
            if let Some(head) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let lines = std::str::from_utf8(&self.bytes[..head]).expect("text");
                assert!(lines.starts_with("HTTP/1.1 200"), "{lines}");
                let length = lines.lines().find_map(|line| line.strip_prefix("content-length: "));
                break (
                    head + 4,
                    length
                        .and_then(|length| length.parse::<usize>().ok())
                        .expect("a length"),
                );
            }
        };
        while self.bytes.len() < body + length {
            self.stream.read_buf(&mut self.bytes).await.expect("the rest");
        }
        &self.bytes[body..]
    }

    async fn cpu(&mut self) -> f64 {
        let body = std::str::from_utf8(self.get("/cpu").await).expect("text");
        body.parse().expect("a number")
    }
}
