//! The server that is put under load: its process, its log, and its resources.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::command::{hotplate, text};
use crate::wait;

use super::TOKEN;
use super::site::Site;

/// Parts of log lines that report a fault of the program, or a visitor without an answer.
const ALARMING: [&str; 3] = ["panicked", "internal", "has no answer"];

/// The resources that a process uses at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) resident_kib: u64,
    pub(super) threads: u64,
    pub(super) descriptors: u64,
}

/// A server of a site, with its addresses.
pub(super) struct Server {
    child: Child,
    pub(super) pages: SocketAddr,
    pub(super) admin: SocketAddr,
    alarming: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(site: &Site, settings: &[&str]) -> Self {
        let mut arguments = vec!["serve", text(site.path()), "--format", "json"];
        arguments.extend(["--bind", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        let mut child = hotplate(&arguments)
            .env("HOTPLATE_ADMIN__TOKEN", TOKEN)
            .env("HOTPLATE_SERVER__VERSION_HEADERS", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let listening = listening(&mut lines);
        let address = |key: &str| {
            let url = listening[key].as_str().expect("a URL");
            let rest = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
            rest.expect("an address").parse().expect("an address")
        };
        let alarming = Arc::<Mutex<Vec<String>>>::default();
        let log = child.stderr.take().expect("a pipe");
        let readers = vec![watch(lines, &alarming), watch(log, &alarming)];
        Self {
            pages: address("url"),
            admin: address("admin"),
            child,
            alarming,
            readers,
        }
    }

    pub(super) fn signal(&self, signal: &str) {
        let kill = std::process::Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(kill.expect("kill runs").success());
    }

    /// Returns the resources that the server uses now.
    pub(super) fn usage(&self) -> Usage {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status")).expect("it runs");
        let figure = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|number| number.parse().ok()).expect("a figure")
        };
        Usage {
            resident_kib: figure("VmRSS:"),
            threads: figure("Threads:"),
            descriptors: fs::read_dir(format!("{process}/fd")).expect("it runs").count() as u64,
        }
    }

    /// Ends the server, and returns its exit status and the alarming lines of its log.
    pub(super) fn end(mut self) -> (ExitStatus, Vec<String>) {
        self.signal("TERM");
        let ended = wait::answer(|| self.child.try_wait().expect("a child"));
        let ended = ended.expect("it ends");
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        let alarming = self.alarming.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (ended, alarming)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening(lines: &mut impl BufRead) -> Value {
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).expect("a line") > 0, "it does not start");
        let event: Value = serde_json::from_str(&line).expect("JSON");
        if event["event"] == "listening" {
            return event;
        }
    }
}

/// Reads the output to its end, and keeps the lines that report a fault of the program.
fn watch(output: impl Read + Send + 'static, alarming: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let alarming = Arc::clone(alarming);
    thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        for line in lines.filter(|line| ALARMING.iter().any(|word| line.contains(word))) {
            let mut alarming = alarming.lock().unwrap_or_else(PoisonError::into_inner);
            if alarming.len() < super::KEPT {
                alarming.push(line);
            }
        }
    })
}
