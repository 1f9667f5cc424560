//! More idle clients than the server may have files open: the server neither spins nor forgets a client.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{Running, text};
use crate::files::Files;
use crate::wait;

use super::client::Client;

/// Descriptors of the server.
const DESCRIPTORS: u32 = 128;
const CLIENTS: usize = 500;
/// The time that the clients stay.
const STAY: Duration = Duration::from_secs(3);

/// Returns the processor time that a process has used, in ticks of 10 ms.
fn ticks(process: &str) -> u64 {
    let stat = fs::read_to_string(format!("{process}/stat")).expect("it runs");
    let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
    let times = fields
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("a number"));
    times.sum()
}

#[test]
fn more_idle_clients_than_descriptors_make_no_server_spin_or_starve() {
    let files = Files::new(&[("templates/index.html", "page"), ("static/a.txt", "text")]);
    let running = Running::start_with_descriptors(
        DESCRIPTORS,
        &[
            "serve",
            text(files.path()),
            "--format",
            "json",
            "--bind",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            // Long request times, so that idle clients stay connected.
            "--set",
            "server.request_ms=600000",
        ],
    );
    let listening: Value = serde_json::from_str(&running.wait_for("\"event\":\"listening\"")).expect("JSON");
    let address = |key: &str| {
        let url = listening[key].as_str().expect("a URL");
        let rest = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        rest.expect("an address").parse().expect("an address")
    };
    let (pages, admin) = (address("url"), address("admin"));
    let process = format!("/proc/{}", running.id());
    // Clients for which there is no room wait in the kernel, which does not answer all of them.
    let connect = |_| TcpStream::connect_timeout(&pages, Duration::from_millis(20)).ok();
    let idle: Vec<TcpStream> = (0..CLIENTS).filter_map(connect).collect();
    let (began, before) = (Instant::now(), ticks(&process));
    let (mut probes, mut known) = (0, Client::new(admin, None));
    while began.elapsed() < STAY {
        // One client keeps its connection, the other uses a new one each time.
        for client in [&mut known, &mut Client::new(admin, None)] {
            let answer = client.get("/admin/v1/health/ready").expect("an answer");
            assert_eq!(answer.status, 200);
            probes += 1;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let used = Duration::from_millis((ticks(&process) - before) * 10);
    let descriptors = fs::read_dir(format!("{process}/fd")).expect("it runs").count();
    println!(
        "{} idle clients, {descriptors} of {DESCRIPTORS} descriptors, {probes} probes: {used:?} of processor time in {:?}",
        idle.len(),
        began.elapsed()
    );
    // A server that spins would use all of the time.
    assert!(used < began.elapsed() / 2, "{used:?}");
    // An edit that is made meanwhile is read.
    files.write("templates/index.html", "edited");
    wait::until("the edit is not read", || {
        let version = Client::new(admin, None).get("/admin/v1/version").expect("an answer");
        version.body.contains("\"version\":2")
    });
    drop(idle);
    let page = wait::answer(|| Client::new(pages, None).get("/").ok());
    assert_eq!(page.expect("an answer").body, "edited");
    let file = Client::new(pages, None).get("/static/a.txt").expect("an answer");
    assert_eq!(file.body, "text");
    assert_eq!(running.end("TERM").code(), Some(0));
}
