//! Measures the realistic page over HTTP: requests per second and processor time per request, for actix-web servers that render it in
//! different ways, and for a Go server if Go is installed. Each server is a separate process; they are loaded alternately in rounds. Prints
//! Markdown.
//!
//! The load comes from `wrk` if it is installed, otherwise from a small client; both share the processors with the server.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hotplate_benches::measure::{Samples, rounds};
use hotplate_benches::serve;
use hotplate_benches::table;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TURN: Duration = Duration::from_secs(2);
const CONNECTIONS: [usize; 2] = [64, 1000];

fn main() {
    let mut arguments = std::env::args().skip(1);
    if let (Some("serve"), Some(kind)) = (arguments.next().as_deref(), arguments.next()) {
        return serve::run(&kind).expect("it serves");
    }
    let mut servers: Vec<Server> = serve::KINDS
        .iter()
        .map(|(kind, name)| Server::start(kind, name))
        .collect();
    match Server::go() {
        Ok(server) => servers.push(server),
        Err(why) => println!("No row for Go: {why}.\n"),
    }
    let pages: Vec<String> = servers.iter().map(|server| fetch(server.port)).collect();
    for (server, page) in servers.iter().zip(&pages) {
        let (page, expected) = (plain(page), plain(&pages[0]));
        assert_eq!(page, expected, "{} answers something else", server.name);
    }
    for connections in CONNECTIONS {
        compare(&servers, connections);
    }
}

/// Normalises the parts of a page that engines write in different ways.
fn plain(page: &str) -> String {
    hotplate_benches::engines::decoded(page)
        .replace("&#43;", "+")
        .split_whitespace()
        .collect()
}

fn compare(servers: &[Server], connections: usize) {
    let rounds = rounds(5);
    let mut rates: Vec<_> = servers.iter().map(|_| Samples(Vec::new())).collect();
    let mut costs: Vec<_> = servers.iter().map(|_| Samples(Vec::new())).collect();
    for _ in 0..rounds {
        for (at, server) in servers.iter().enumerate() {
            let before = server.cpu();
            let start = Instant::now();
            let requests = load(server.port, connections);
            rates[at].0.push(requests / start.elapsed().as_secs_f64());
            costs[at].0.push((server.cpu() - before) * 1e9 / requests);
        }
    }
    let base = servers
        .iter()
        .position(|server| server.name == "askama")
        .expect("it is listed");
    let rows: Vec<_> = servers
        .iter()
        .enumerate()
        .map(|(at, server)| {
            let rate = rates[at].ratio_to(&rates[base]);
            let cost = costs[at].ratio_to(&costs[base]);
            vec![
                server.name.to_owned(),
                format!("{:.0}", rates[at].median()),
                table::ratio(&rate),
                table::time(costs[at].median()),
                table::ratio(&cost),
                table::spread(&cost),
            ]
        })
        .collect();
    println!("### {connections} connections\n");
    let columns = [
        "server",
        "requests/s",
        "ratio to askama",
        "CPU per request",
        "ratio to askama",
        "interquartile range",
    ];
    table::print(&columns, &rows);
}

/// A server in a separate process.
struct Server {
    name: &'static str,
    port: u16,
    process: Child,
}

impl Server {
    fn start(kind: &str, name: &'static str) -> Self {
        let mut itself = Command::new(std::env::current_exe().expect("a name"));
        Self::spawn(itself.args(["serve", kind]), name).expect("it starts")
    }

    fn go() -> Result<Self, String> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/go/http");
        let program = std::env::temp_dir().join(format!("hotplate-benches-go-{}", std::process::id()));
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg("page.go")
            .current_dir(directory)
            .env("GO111MODULE", "off")
            .env("GOPATH", "/usr/share/gocode")
            .output()
            .map_err(|_| "Go is not installed here".to_owned())?;
        if !built.status.success() {
            return Err(String::from_utf8_lossy(&built.stderr).into_owned());
        }
        // The Go server gets the data as JSON.
        let data = program.with_extension("json");
        let json = serde_json::to_vec(&hotplate_benches::data::page(50)).expect("it serializes");
        std::fs::write(&data, json).map_err(|error| error.to_string())?;
        let given = std::fs::File::open(&data).map_err(|error| error.to_string())?;
        let mut itself = Command::new(&program);
        let server = Self::spawn(
            itself.current_dir(directory).stdin(given),
            "Go html/template, sync.Map, fsnotify",
        );
        let _ = (std::fs::remove_file(&program), std::fs::remove_file(&data));
        server
    }

    /// Waits for the line with the port at which the server listens.
    fn spawn(command: &mut Command, name: &'static str) -> Result<Self, String> {
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut line = String::new();
        let stdout = process.stdout.take().ok_or("no output")?;
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let port = line.trim().parse().map_err(|_| format!("{name} says {line:?}"))?;
        Ok(Self { name, port, process })
    }

    /// Returns the seconds of processor time that the kernel has counted for the process.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("Linux");
        let fields = stat.rsplit_once(')').expect("a name in brackets").1;
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn fetch(port: u16) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(head.to_ascii_lowercase().contains("content-length"), "{head}");
    body.to_owned()
}

/// Loads a server for one turn, and returns the number of answered requests.
fn load(port: u16, connections: usize) -> f64 {
    let wrk = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{}s", TURN.as_secs())])
        .arg(format!("http://127.0.0.1:{port}/"))
        .output();
    match wrk {
        Ok(ran) if ran.status.success() => {
            let stdout = String::from_utf8_lossy(&ran.stdout);
            let line = stdout
                .lines()
                .find(|line| line.contains(" requests in "))
                .expect("a sum");
            line.split_whitespace()
                .next()
                .and_then(|sum| sum.parse().ok())
                .expect("a number")
        }
        _ => own_load(port, connections),
    }
}

fn own_load(port: u16, connections: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (answered, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let clients: Vec<_> = (0..connections)
            .map(|_| tokio::spawn(client(port, Arc::clone(&answered), Arc::clone(&done))))
            .collect();
        tokio::time::sleep(TURN).await;
        done.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.expect("no panic").expect("an answer");
        }
        answered.load(Ordering::Relaxed) as f64
    })
}

async fn client(port: u16, answered: Arc<AtomicU64>, done: Arc<AtomicBool>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut buffer = vec![0; 64 * 1024];
    while !done.load(Ordering::Relaxed) {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n").await?;
        let mut read = 0;
        let mut whole = usize::MAX;
        while read < whole {
            let more = stream.read(&mut buffer[read..]).await?;
            if more == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            read += more;
            if whole == usize::MAX {
                whole = length(&buffer[..read]).unwrap_or(usize::MAX);
            }
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Returns the length of an answer, once its head is complete.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?.to_ascii_lowercase();
    let (_, rest) = text.split_once("content-length:")?;
    let body: usize = rest.lines().next()?.trim().parse().ok()?;
    Some(head + body)
}
