//! Files under `static/`, over real HTTP.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::command::{Running, run, text};
use crate::files::Files;
use crate::http::Server;
use crate::wait;
use crate::wire::{self, Answer};

const DIGITS: &str = "0123456789";

fn site() -> Files {
    Files::new(&[("templates/index.html", "page"), ("static/digits.txt", DIGITS)])
}

fn serve(files: &Files, more: &[&str]) -> Server {
    let arguments = [&["serve", text(files.path()), "--bind", "127.0.0.1:0"], more].concat();
    Server::run(Running::start(&arguments))
}

fn ask(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let address: SocketAddr = server.address.parse().expect("an address");
    wire::ask(address, method, path, headers, "")
}

fn get(server: &Server, path: &str) -> Answer {
    ask(server, "GET", path, &[])
}

/// Waits for the validators of a file, because a file that has just changed has none.
fn validators(server: &Server, path: &str) -> (String, String) {
    let found = wait::answer(|| {
        let answer = get(server, path);
        assert_eq!(answer.status, 200, "{answer:?}");
        let validators = answer.header("etag").zip(answer.header("last-modified"));
        validators.map(|(etag, date)| (etag.to_owned(), date.to_owned()))
    });
    found.unwrap_or_else(|| panic!("{path} never has validators"))
}

fn set_modified(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).expect("opens");
    file.set_modified(time).expect("set");
}

/// A request (method, headers) and its expected answer (status, `Content-Range`, body).
type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], u16, &'c str, &'c str);

#[test]
fn conditions_and_ranges_follow_rfc_9110() {
    let files = site();
    let server = serve(&files, &[]);
    let (etag, date) = validators(&server, "/static/digits.txt");
    assert!(etag.starts_with('"'), "a strong one: {etag}");
    let (tag, date) = (etag.as_str(), date.as_str());
    let weak = format!("W/{tag}");
    let long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
    let some = "bytes=2-4";
    let cases: &[Case<'_>] = &[
        ("GET", &[], 200, "", DIGITS),
        ("HEAD", &[], 200, "", ""),
        ("GET", &[("range", some)], 206, "bytes 2-4/10", "234"),
        ("HEAD", &[("range", some)], 200, "", ""),
        ("GET", &[("range", "bytes=-3")], 206, "bytes 7-9/10", "789"),
        ("GET", &[("range", "bytes=8-")], 206, "bytes 8-9/10", "89"),
        ("GET", &[("range", "bytes=10-")], 416, "bytes */10", ""),
        ("HEAD", &[("range", "bytes=10-")], 200, "", ""),
        ("GET", &[("range", "lines=1-2")], 200, "", DIGITS),
        ("GET", &[("range", "bytes=0-1,8-9")], 200, "", DIGITS),
        ("GET", &[("range", some), ("if-range", tag)], 206, "bytes 2-4/10", "234"),
        (
            "GET",
            &[("range", some), ("if-range", date)],
            206,
            "bytes 2-4/10",
            "234",
        ),
        ("GET", &[("range", some), ("if-range", "\"other\"")], 200, "", DIGITS),
        ("GET", &[("range", some), ("if-range", &weak)], 200, "", DIGITS),
        ("GET", &[("range", some), ("if-range", long_ago)], 200, "", DIGITS),
        ("GET", &[("if-none-match", tag)], 304, "", ""),
        ("HEAD", &[("if-none-match", &weak)], 304, "", ""),
        ("GET", &[("if-modified-since", date)], 304, "", ""),
        ("GET", &[("if-modified-since", long_ago)], 200, "", DIGITS),
        (
            "GET",
            &[("if-none-match", "\"other\""), ("if-modified-since", date)],
            200,
            "",
            DIGITS,
        ),
        ("GET", &[("if-match", tag)], 200, "", DIGITS),
        ("GET", &[("if-match", "\"other\"")], 412, "", ""),
        ("GET", &[("if-unmodified-since", long_ago)], 412, "", ""),
        (
            "GET",
            &[("if-match", tag), ("if-unmodified-since", long_ago)],
            200,
            "",
            DIGITS,
        ),
        ("GET", &[("if-match", "\"other\""), ("if-none-match", tag)], 412, "", ""),
        ("GET", &[("if-none-match", tag), ("range", some)], 304, "", ""),
    ];
    for (method, headers, status, range, body) in cases {
        let answer = ask(&server, method, "/static/digits.txt", headers);
        let context = format!("{method} {headers:?}: {answer:?}");
        assert_eq!(
            (
                answer.status,
                answer.header("content-range").unwrap_or_default(),
                &*answer.body
            ),
            (*status, *range, *body),
            "{context}"
        );
        let length = match (*method, status) {
            ("HEAD", 200) => Some(10),
            (_, 200 | 206) => Some(body.len()),
            (_, 304) => None,
            _ => Some(0),
        };
        let length = length.map(|length| length.to_string());
        assert_eq!(answer.header("content-length"), length.as_deref(), "{context}");
        if [200, 206, 304].contains(status) {
            assert_eq!(answer.header("etag"), Some(tag), "{context}");
            assert_eq!(answer.header("cache-control"), Some("no-cache"), "{context}");
        } else {
            assert_eq!(answer.header("cache-control"), None, "{context}");
        }
        if *status == 200 {
            assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{context}");
        }
    }
}

#[test]
fn a_resumed_download_is_of_one_version() {
    let files = site();
    let server = serve(&files, &[]);
    let (etag, date) = validators(&server, "/static/digits.txt");
    // The new file has the same size and, as after some deployments, the same modification time.
    let path = files.path().join("static/digits.txt");
    let modified = fs::metadata(&path).expect("there").modified().expect("a time");
    files.write("static/digits.txt", "abcdefghij");
    set_modified(&path, modified);
    let resumed = ask(
        &server,
        "GET",
        "/static/digits.txt",
        &[("range", "bytes=5-"), ("if-range", &etag)],
    );
    assert_eq!((resumed.status, &*resumed.body), (200, "abcdefghij"));
    let known = ask(&server, "GET", "/static/digits.txt", &[("if-none-match", &etag)]);
    assert_eq!((known.status, &*known.body), (200, "abcdefghij"));
    let (other, same_date) = validators(&server, "/static/digits.txt");
    assert_ne!(etag, other);
    assert_eq!(date, same_date);
}

#[test]
fn files_of_any_time_and_size_are_served() {
    let files = site();
    let server = serve(&files, &[]);
    let path = files.path().join("static/digits.txt");
    let day = 24 * 3600;
    let times = [
        UNIX_EPOCH,
        UNIX_EPOCH - Duration::from_nanos(1),
        UNIX_EPOCH - Duration::from_secs(70 * 365 * day),
        UNIX_EPOCH + Duration::from_secs(1),
        SystemTime::now() + Duration::from_secs(400 * 365 * day),
        UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX)),
        // A file system changes or rejects a time that it cannot represent.
        UNIX_EPOCH + Duration::from_secs(8_000 * 366 * day),
        UNIX_EPOCH + Duration::from_secs(i64::MAX as u64),
        UNIX_EPOCH - Duration::from_secs(i64::MAX as u64),
    ];
    for time in times {
        let file = File::options().write(true).open(&path).expect("opens");
        if file.set_modified(time).is_err() {
            continue;
        }
        for headers in [
            &[][..],
            &[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")],
            &[("range", "bytes=0-"), ("if-range", "Sun, 06 Nov 1994 08:49:37 GMT")],
        ] {
            let answer = ask(&server, "GET", "/static/digits.txt", headers);
            assert!([200, 206, 304].contains(&answer.status), "{time:?}: {answer:?}");
        }
    }
    assert_eq!(get(&server, "/static/digits.txt").body, DIGITS);
    // A sparse file of the maximum size of the file system.
    let huge = File::create(files.path().join("static/huge.bin")).expect("made");
    let size = (32..63)
        .rev()
        .map(|bits| 1_u64 << bits)
        .find(|size| huge.set_len(*size).is_ok());
    let size = size.expect("4 GiB with nothing in it");
    let whole = ask(&server, "HEAD", "/static/huge.bin", &[]);
    let length = whole.header("content-length").map(str::to_owned);
    assert_eq!((whole.status, length), (200, Some(size.to_string())));
    let last = ask(&server, "GET", "/static/huge.bin", &[("range", "bytes=-1")]);
    assert_eq!((last.status, &*last.body), (206, "\0"));
    let range = format!("bytes {last}-{last}/{size}", last = size - 1);
    assert_eq!(last.header("content-range"), Some(&*range));
    let beyond = ask(
        &server,
        "GET",
        "/static/huge.bin",
        &[("range", &format!("bytes={size}-"))],
    );
    assert_eq!(beyond.status, 416);
}

#[test]
fn a_large_file_is_complete_and_a_shrinking_one_ends_early() {
    let files = site();
    let server = serve(&files, &[]);
    let large: String = (0..200_000).map(|number| format!("{number:06}\n")).collect();
    files.write("static/large.txt", &large);
    assert_eq!(get(&server, "/static/large.txt").body, large);
    let part = ask(&server, "GET", "/static/large.txt", &[("range", "bytes=70000-1300000")]);
    assert_eq!((part.status, &*part.body), (206, &large[70_000..=1_300_000]));
    // Larger than all buffers between the server and the client.
    let bytes = 64 * 1024 * 1024;
    files.write("static/shrinks.txt", &"x".repeat(bytes));
    let mut stream = server.send("GET", "/static/shrinks.txt");
    stream.read_exact(&mut [0; 4096]).expect("it has begun");
    let file = File::options()
        .write(true)
        .open(files.path().join("static/shrinks.txt"));
    file.expect("opens").set_len(0).expect("cut");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < bytes, "what is not there is not made up");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn static_files_have_cache_control() {
    let files = site();
    let cache_control = |server: &Server| {
        get(server, "/static/digits.txt")
            .header("cache-control")
            .map(str::to_owned)
    };
    let of = |more: &[&str]| cache_control(&serve(&files, more));
    assert_eq!(of(&[]).as_deref(), Some("no-cache"));
    let hour = ["--set", "server.static_cache_control=public, max-age=3600"];
    assert_eq!(of(&hour).as_deref(), Some("public, max-age=3600"));
    assert_eq!(of(&["--set", "server.static_cache_control="]), None);
    // In development files are always revalidated.
    let dev = [&["dev", text(files.path()), "--bind", "127.0.0.1:0"][..], &hour].concat();
    assert_eq!(
        cache_control(&Server::run(Running::start(&dev))).as_deref(),
        Some("no-cache")
    );
    let refused = run(&["serve", text(files.path()), "--set", "server.static_cache_control=a\nb"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("static_cache_control"), "{}", refused.stderr);
}

#[test]
fn files_have_their_type_and_no_content_disposition() {
    let files = site();
    let server = serve(&files, &[]);
    for (name, content, kind) in [
        ("a.pdf", "%PDF-1.7", "application/pdf"),
        ("site.webmanifest", "{}", "application/manifest+json"),
        ("LICENSE", "MIT License", "text/plain; charset=utf-8"),
        ("a.unknown", "\u{1}\u{2}", "application/octet-stream"),
        ("a.html", "<p>", "text/html; charset=utf-8"),
        ("a.mjs", "1", "text/javascript; charset=utf-8"),
        ("a.wasm", "", "application/wasm"),
        ("100%.txt", "percent", "text/plain; charset=utf-8"),
    ] {
        files.write(&format!("static/{name}"), content);
        let answer = get(&server, &format!("/static/{}", name.replace('%', "%25")));
        assert_eq!((answer.status, &*answer.body), (200, content), "{name}");
        assert_eq!(answer.header("content-type"), Some(kind), "{name}");
        assert_eq!(answer.header("content-disposition"), None, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_by_one_rule() {
    use std::os::unix::fs::symlink;

    for (rule, inside, outside) in [("follow", true, true), ("inside", true, false), ("never", false, false)] {
        let files = Files::new(&[
            ("site/templates/index.html", "page"),
            ("site/templates/real.html", "{said}"),
            ("site/static/real.txt", "real"),
            ("site/data/elsewhere/real.json", r#"{"said": "data"}"#),
            ("outside.txt", "outside"),
            ("outside.html", "outside"),
        ]);
        let site = files.path().join("site");
        for (target, link) in [
            ("real.txt", "static/inside.txt"),
            ("../../outside.txt", "static/outside.txt"),
            ("index.html", "templates/inside.html"),
            ("../../outside.html", "templates/outside.html"),
            ("elsewhere/real.json", "data/real.json"),
        ] {
            symlink(target, site.join(link)).expect("linked");
        }
        let server = Server::run(Running::start(&[
            "serve",
            text(&site),
            "--bind",
            "127.0.0.1:0",
            "--set",
            &format!("files.links={rule}"),
        ]));
        let status = |found: bool| if found { 200 } else { 404 };
        for (path, found) in [
            ("/static/real.txt", true),
            ("/static/inside.txt", inside),
            ("/static/outside.txt", outside),
            ("/inside", inside),
            ("/outside", outside),
        ] {
            assert_eq!(server.get(path).status, status(found), "{path}, {rule}");
        }
        assert_eq!(server.get("/real").body == "data", inside, "{rule}");
    }
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_opened() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    let files = site();
    let of = |name: &str| files.path().join("static").join(name);
    let made = std::process::Command::new("mkfifo").arg(of("pipe.txt")).status();
    assert!(made.expect("mkfifo runs").success());
    let _socket = UnixListener::bind(of("socket.txt")).expect("a socket");
    symlink("/dev/zero", of("zero.txt")).expect("linked");
    symlink("/dev/tty", of("tty.txt")).expect("linked");
    symlink("pipe.txt", of("link.txt")).expect("linked");
    fs::create_dir(of("directory.txt")).expect("made");
    let server = serve(&files, &["--set", "server.workers=1"]);
    // More requests than the blocking pool has threads, each of which would wait for a writer.
    let waiting: Vec<_> = (0..64).map(|_| server.send("GET", "/static/pipe.txt")).collect();
    for name in [
        "pipe.txt",
        "socket.txt",
        "zero.txt",
        "tty.txt",
        "link.txt",
        "directory.txt",
    ] {
        assert_eq!(get(&server, &format!("/static/{name}")).status, 404, "{name}");
    }
    assert_eq!(server.get("/").body, "page");
    assert_eq!(get(&server, "/static/digits.txt").body, DIGITS);
    drop(waiting);
}

#[test]
fn a_connection_is_reused() {
    let files = site();
    let server = serve(&files, &[]);
    let mut stream = wire::connect(server.address.parse().expect("an address"));
    for (method, more) in [
        ("HEAD", ""),
        ("GET", "range: bytes=0-0\r\n"),
        ("HEAD", "range: bytes=0-0\r\n"),
        ("GET", ""),
    ] {
        let request = format!("{method} /static/digits.txt HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let wanted = match (method, more) {
            ("GET", "") => DIGITS,
            ("GET", _) => "0",
            _ => "",
        };
        let mut body = vec![0; wanted.len()];
        stream.read_exact(&mut body).expect("a body");
        assert_eq!(body, wanted.as_bytes(), "{head}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_is_found_by_any_unicode_form() {
    let files = Files::new(&[("templates/index.html", ""), ("static/ba\u{308}r.txt", "bear")]);
    let server = serve(&files, &[]);
    for path in ["/static/b%C3%A4r.txt", "/static/ba%CC%88r.txt"] {
        let answer = get(&server, path);
        assert_eq!((answer.status, answer.body.as_str()), (200, "bear"), "{path}");
    }
    assert_eq!(get(&server, "/static/bar.txt").status, 404);
}
