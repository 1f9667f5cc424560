//! A client that keeps its connection between requests.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::wire::WAIT_MAX;

/// An answer over HTTP.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) version: String,
    pub(super) freshness: String,
    pub(super) etag: String,
    pub(super) body: String,
}

/// A client that keeps its connection between requests, up to a number of them.
pub(super) struct Client {
    address: SocketAddr,
    headers: String,
    connection: Option<BufReader<TcpStream>>,
    requests_left: u32,
}

/// Number of requests after which a client begins a new connection.
const REQUESTS: u32 = 200;

impl Client {
    pub(super) fn new(address: SocketAddr, token: Option<&str>) -> Self {
        let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        Self {
            address,
            headers: format!("host: {address}\r\n{}", authorization.unwrap_or_default()),
            connection: None,
            requests_left: 0,
        }
    }

    pub(super) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, "")
    }

    /// Sends a request, and reads its answer.
    ///
    /// # Errors
    /// There is no answer, or none in time.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        if self.requests_left == 0 {
            self.connection = None;
        }
        let reused = self.connection.is_some();
        match self.ask_once(method, path, body) {
            // The server may have closed the connection because it was idle.
            Err(error) if reused && is_closed(&error) => {
                self.connection = None;
                self.ask_once(method, path, body)
            }
            answered => answered,
        }
        .inspect_err(|_| self.connection = None)
    }

    fn ask_once(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                self.requests_left = REQUESTS;
                none.insert(BufReader::new(connect(self.address)?))
            }
        };
        self.requests_left -= 1;
        let (headers, length) = (&self.headers, body.len());
        let kind = if body.is_empty() {
            ""
        } else {
            "content-type: application/json\r\n"
        };
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}{kind}content-length: {length}\r\n\r\n{body}");
        connection.get_mut().write_all(request.as_bytes())?;
        let (answer, closes) = read(connection)?;
        if closes {
            self.connection = None;
        }
        Ok(answer)
    }
}

/// Connects with timeouts.
pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    Ok(stream)
}

fn is_closed(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted | ErrorKind::NotConnected
    )
}

/// Reads one answer, and returns true if its connection ends with it.
fn read(connection: &mut BufReader<TcpStream>) -> io::Result<(Answer, bool)> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(ErrorKind::ConnectionReset.into());
    }
    let wrong = |said: &str| Error::new(ErrorKind::InvalidData, said.to_owned());
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut answer = Answer {
        status: status.ok_or_else(|| wrong("no status"))?,
        version: String::new(),
        freshness: String::new(),
        etag: String::new(),
        body: String::new(),
    };
    let (mut length, mut chunked, mut closes) = (0, false, false);
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(wrong("the head ends too early"));
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(|_| wrong("no length"))?,
            "transfer-encoding" => chunked = true,
            "connection" => closes = value == "close",
            "etag" => value.clone_into(&mut answer.etag),
            "x-hotplate-version" => value.clone_into(&mut answer.version),
            "x-hotplate-freshness" => value.clone_into(&mut answer.freshness),
            _ => {}
        }
    }
    let mut body = Vec::new();
    while chunked {
        line.clear();
        connection.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim_end(), 16).map_err(|_| wrong("no size of a chunk"))?;
        let begin = body.len();
        body.resize(begin + size + 2, 0);
        connection.read_exact(&mut body[begin..])?;
        body.truncate(begin + size);
        chunked = size > 0;
    }
    if length > 0 {
        body.resize(length, 0);
        connection.read_exact(&mut body)?;
    }
    answer.body = String::from_utf8(body).map_err(|_| wrong("no text"))?;
    Ok((answer, closes))
}
