//! A server that is run by the command, and requests to it over HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::command::{Running, text};
use crate::files::Files;

/// A running server and its address.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) address: String,
}

/// An HTTP response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Server {
    /// Starts `hotplate dev`.
    pub(crate) fn start(files: &Files) -> Self {
        Self::at(files, "127.0.0.1:0")
    }

    /// Starts `hotplate dev` at an address.
    pub(crate) fn at(files: &Files, address: &str) -> Self {
        Self::run(Running::start(&["dev", text(files.path()), "--bind", address]))
    }

    /// Waits until a command prints the address at which it listens.
    pub(crate) fn run(running: Running) -> Self {
        let line = running.wait_for("http://");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.expect("an address").to_owned();
        Self { running, address }
    }

    /// Sends a request without reading its answer.
    pub(crate) fn send(&self, method: &str, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        let host = &self.address;
        let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Answer {
        Answer::read(self.send(method, path))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }
}

impl Answer {
    /// Reads a response until the connection is closed.
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        let (head, body) = (head.to_lowercase(), body.to_owned());
        Self { status, head, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    pub(crate) fn freshness(&self) -> &str {
        self.header("x-hotplate-freshness").unwrap_or("none")
    }
}
