//! The shutdown of servers with open event streams, the cancellation of abandoned renders, and startup under tight resource limits.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::{Command, Stdio};

use actix_web::web::get;
use actix_web::{App, HttpServer, Responder};
use hotplate::web::{Templates, Web};
use hotplate::{Hotplate, Limits};
use serde_json::{Value, json};

use crate::command::{Running, text};
use crate::files::Files;
use crate::http::Server;
use crate::wait;
use crate::wire::{self, Events};

const FEED: &str = "/_hotplate/live?entry=index.html";
/// The environment variable with the templates of the app below.
const TEMPLATES: &str = "HOTPLATE_TEST_TEMPLATES";

async fn hello(templates: Templates) -> impl Responder {
    templates.page("index.html", &())
}

/// The program of the README. The next test starts it as a process of its own, because it is ended by a signal.
#[actix_web::test]
#[ignore = "a program, not a test"]
async fn program() {
    let templates = std::env::var_os(TEMPLATES).expect("started by the test");
    let web = Web::new(Hotplate::builder().root(templates).start().expect("starts")).development(true);
    let server = HttpServer::new(move || App::new().configure(web.mount()).route("/", get().to(hello)))
        .workers(1)
        .shutdown_timeout(3_600)
        .bind("127.0.0.1:0")
        .expect("binds");
    println!("\nlistens: {}", server.addrs()[0]);
    server.run().await.expect("runs");
}

#[cfg(target_os = "linux")]
#[test]
fn an_app_shuts_down_with_open_streams() {
    let files = Files::new(&[("index.html", "<p>page</p>")]);
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["shutdown::program", "--exact", "--ignored", "--nocapture"])
        .env(TEMPLATES, files.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let address = lines.find_map(|line| Some(line.ok()?.strip_prefix("listens: ")?.to_owned()));
    let address: SocketAddr = address.expect("a line").parse().expect("an address");
    let mut events = Events::listen(address, FEED, &[]);
    events.next_of("page");
    let killed = Command::new("kill").arg(child.id().to_string()).status();
    assert!(killed.expect("kill runs").success());
    // Otherwise the shutdown would wait for open requests for an hour.
    let ended = wait::answer(|| child.try_wait().expect("a child"));
    let _ = child.kill();
    let _ = child.wait();
    assert!(ended.expect("it ends").success());
}

#[test]
fn dev_and_serve_shut_down_with_open_streams() {
    let files = Files::new(&[
        ("templates/index.html", "<p>page</p>"),
        ("hotplate.toml", "[server]\ndrain_ms = 3600000\n"),
    ]);
    for command in ["dev", "serve"] {
        let arguments = [
            command,
            text(files.path()),
            "--bind",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--format",
            "json",
        ];
        let running = Running::start(&arguments);
        let listening: Value = serde_json::from_str(&running.wait_for("\"event\":\"listening\"")).expect("JSON");
        let address = |key: &str| -> SocketAddr {
            let url = listening[key].as_str().expect("a URL");
            let rest = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
            rest.expect("an address").parse().expect("an address")
        };
        let mut listeners = vec![Events::listen(address("admin"), "/admin/v1/events", &[])];
        if command == "dev" {
            listeners.push(Events::listen(address("url"), FEED, &[]));
        }
        listeners.iter_mut().for_each(|events| assert!(events.next().is_some()));
        running.signal("TERM");
        let stopped = running.wait_for("\"event\":\"stopped\"");
        assert!(stopped.contains("\"drained\":true"), "{command}: {stopped}");
        for mut events in listeners {
            while events.next().is_some() {}
        }
        assert_eq!(running.wait().code(), Some(0), "{command}");
    }
}

/// Renders a page in the Renderer's pool until the client leaves.
async fn slow(templates: Templates) -> impl Responder {
    templates
        .page_on_pool("slow.html", json!({ "many": vec![0; 1000] }))
        .await
}

async fn quick(templates: Templates) -> impl Responder {
    templates.page_on_pool("quick.html", json!({})).await
}

#[actix_web::test]
async fn a_closed_connection_cancels_the_render() {
    let loops = "{{ for a in many }}{{ for b in many }}{{ for c in many }}{{ endfor }}{{ endfor }}{{ endfor }}";
    let files = Files::new(&[("slow.html", loops), ("quick.html", "quick")]);
    let limits = Limits {
        render_ms: 600_000,
        render_steps: u64::MAX,
        render_threads: 1,
        ..Limits::default()
    };
    let engine = Hotplate::builder().root(files.path()).watch(false).limits(limits);
    let hotplate = engine.start().expect("starts");
    let web = Web::new(hotplate.clone());
    let app = move || {
        let app = App::new().configure(web.mount());
        app.route("/slow", get().to(slow)).route("/quick", get().to(quick))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        // The setting that the documentation of `page_on_pool` recommends.
        .h1_allow_half_closed(false)
        .bind("127.0.0.1:0")
        .expect("binds");
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let answer = actix_web::web::block(move || {
        let mut visitor = wire::connect(address);
        visitor
            .write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .expect("sent");
        let inside = || {
            hotplate
                .health()
                .mailboxes
                .iter()
                .any(|door| door.mailbox == "renders" && door.in_flight > 0)
        };
        wait::until("the render never begins", inside);
        visitor.shutdown(Shutdown::Both).expect("closed");
        drop(visitor);
        // The only render thread is free for the next request, minutes before the first one would be complete.
        wire::ask(address, "GET", "/quick", &[], "")
    });
    let answer = answer.await.expect("an answer");
    assert_eq!((answer.status, &*answer.body), (200, "quick"));
    handle.stop(true).await;
    running.await.expect("ends").expect("ends well");
}

#[cfg(unix)]
#[test]
fn too_few_descriptors_are_reported() {
    let files = Files::new(&[("templates/index.html", "page")]);
    let binary = env!("CARGO_BIN_EXE_hotplate");
    let site = text(files.path());
    // Three descriptors are stdin, stdout and stderr; with fewer than five the program cannot be loaded.
    for limit in 5..=64 {
        for command in ["check", "serve"] {
            let more = match command {
                "serve" => "--bind 127.0.0.1:0 --admin 127.0.0.1:0 --set server.workers=1",
                _ => "",
            };
            // The process inherits only these three, whatever this test has open.
            let script = format!("ulimit -n {limit}; exec {binary} {command} {site} {more}");
            let mut child = Command::new("sh")
                .args(["-c", &script])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("starts");
            // A server that has started anyway is ended.
            let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
            let mut line = String::new();
            while out.read_line(&mut line).expect("lines") > 0 {
                if line.contains("open http://") {
                    let _ = Command::new("kill").arg(child.id().to_string()).status();
                }
                line.clear();
            }
            let ended = child.wait_with_output().expect("ends");
            let output = String::from_utf8_lossy(&ended.stderr);
            assert!(!output.contains("panicked"), "{command} with {limit}: {output}");
            match ended.status.code() {
                Some(0) => {}
                Some(3) => assert!(output.contains("ulimit -n"), "{command} with {limit}: {output}"),
                code => panic!("{command} with {limit}: {code:?}, {output}"),
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_threads_or_too_little_memory_are_reported() {
    let files = Files::new(&[("templates/index.html", "page")]);
    let binary = env!("CARGO_BIN_EXE_hotplate");
    let site = text(files.path());
    // A thread has a stack of 2 MiB.
    for (command, more, said) in [
        ("serve", "--set server.workers=400", "threads are needed"),
        (
            "dev",
            "--admin 127.0.0.1:0 --set limits.render_threads=400",
            "threads are needed",
        ),
    ] {
        let script = format!("ulimit -v 800000; exec {binary} {command} {site} --bind 127.0.0.1:0 {more}");
        let ended = Command::new("sh").args(["-c", &script]).output().expect("runs");
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(3), "{command}: {stderr}");
        assert!(
            stderr.contains(said) && stderr.lines().count() == 1,
            "{command}: {stderr}"
        );
        assert!(ended.stdout.is_empty(), "nothing began");
    }
}

/// Creates a site that takes long to load: some hundred templates with the maximum number of tags.
#[cfg(target_os = "linux")]
fn slow_site() -> Files {
    let files = Files::new(&[("templates/index.html", "page")]);
    let line = format!("{}\n", "{{ if a }}{{ for b in c }}{b}{{ endfor }}{{ endif }}".repeat(4));
    let text = line.repeat(4_000);
    for number in 0..400 {
        files.write(&format!("templates/{number}.html"), &format!("{number}\n{text}"));
    }
    files
}

/// Starts a server and returns when it loads its templates, at which point it listens to signals.
#[cfg(target_os = "linux")]
fn loading(files: &Files, more: &[&str]) -> std::process::Child {
    let mut arguments = vec!["serve", text(files.path()), "--bind", "127.0.0.1:0", "--format", "json"];
    arguments.extend(more);
    let mut child = crate::command::hotplate(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let tasks = format!("/proc/{}/task", child.id());
    let is_loading = || {
        let names = std::fs::read_dir(&tasks).into_iter().flatten().flatten();
        let mut names = names.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.any(|name| name.trim() == "hotplate-load")
    };
    wait::until("it never loads", || {
        assert_eq!(child.try_wait().expect("a child"), None, "it has ended");
        is_loading()
    });
    child
}

#[cfg(target_os = "linux")]
fn signal(child: &std::process::Child, signal: &str) {
    let kill = Command::new("kill")
        .args([format!("-{signal}"), child.id().to_string()])
        .status();
    assert!(kill.expect("kill runs").success());
}

/// Returns the events on stdout in their order, and the output of the process.
#[cfg(target_os = "linux")]
fn events(child: std::process::Child) -> (Vec<String>, std::process::Output) {
    let output = child.wait_with_output().expect("ends");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let event = |line: &str| -> String {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["event"].as_str().expect("an event").to_owned()
    };
    (lines.lines().map(event).collect(), output)
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_a_loading_server() {
    let files = slow_site();
    for name in ["TERM", "INT"] {
        let child = loading(
            &files,
            &["--set", "limits.start_ms=3600000", "--set", "limits.compile_threads=1"],
        );
        signal(&child, name);
        let (events, output) = events(child);
        assert_eq!(events, ["stopping", "stopped"], "{name}: nothing was served");
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_reload_during_loading_is_done_afterwards() {
    let files = Files::new(&[("templates/index.html", "page")]);
    for number in 0..500 {
        files.write(&format!("templates/{number}.html"), &format!("{number}"));
    }
    let child = loading(&files, &[]);
    signal(&child, "HUP");
    let mut child = child;
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = |event: &str| {
        let found = lines.find(|line| {
            line.as_ref()
                .is_ok_and(|line| line.contains(&format!("\"event\":\"{event}\"")))
        });
        assert!(found.is_some(), "no `{event}`");
    };
    next("listening");
    next("reloaded");
    signal(&child, "TERM");
    next("stopped");
    let (_, output) = events(child);
    assert_eq!(output.status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_load_that_takes_too_long_is_abandoned() {
    let files = slow_site();
    let address = ["--bind", "127.0.0.1:0", "--set", "limits.start_ms=1"];
    let ended = crate::command::run(&[&["serve", text(files.path())][..], &address].concat());
    let output = &ended.stderr;
    assert_eq!((ended.code, &*ended.stdout), (3, ""), "{output}");
    assert!(output.contains("start_ms") && output.lines().count() == 1, "{output}");
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_processes_are_reported() {
    use std::os::unix::fs::PermissionsExt;

    // The limit does not apply to root, so the server runs as another user, who needs read access to the program.
    let files = Files::new(&[("templates/index.html", "page")]);
    let binary = files.path().join("hotplate");
    std::fs::copy(env!("CARGO_BIN_EXE_hotplate"), &binary).expect("copied");
    for path in [files.path(), &files.path().join("templates")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("set");
    }
    let mut other = vec![
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "prlimit",
        "--nproc=3",
    ];
    other.extend([text(&binary), "serve", text(files.path()), "--bind", "127.0.0.1:0"]);
    let Some(ended) = Command::new("timeout")
        .args(["60", "setpriv"])
        .args(other)
        .output()
        .ok()
        .filter(|ended| {
            // This needs root and the program `setpriv`.
            !String::from_utf8_lossy(&ended.stderr).contains("setpriv:")
        })
    else {
        println!("skipped: nobody else can be run as");
        return;
    };
    let output = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{output}");
    assert!(output.contains("ulimit -u") && output.lines().count() == 1, "{output}");
    assert!(ended.stdout.is_empty(), "nothing began");
}

/// If systemd does not read its socket and the socket is full, a message is dropped, and nothing waits for it.
#[cfg(target_os = "linux")]
#[test]
fn a_stuck_service_manager_blocks_nothing() {
    use std::os::unix::net::UnixDatagram;

    let files = Files::new(&[("templates/index.html", "page")]);
    let path = files.path().join("notify");
    let never_read = UnixDatagram::bind(&path).expect("a socket");
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.set_nonblocking(true).expect("set");
    while sender.send_to(b"full", &path).is_ok() {}
    let environment = [("NOTIFY_SOCKET", text(&path)), ("WATCHDOG_USEC", "200000")];
    let running = Running::start_logged(&environment, &["serve", text(files.path()), "--bind", "127.0.0.1:0"]);
    let said = running.lines_with(&["http://", "systemd cannot be notified"]);
    let address = said[0].split("http://").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.expect("an address").to_owned();
    let server = Server { running, address };
    assert!(said[1].contains("WARN"), "{}", said[1]);
    assert_eq!(server.get("/").status, 200);
    server.running.signal("HUP");
    server.running.signal("TERM");
    assert_eq!(server.running.wait().code(), Some(0));
    drop(never_read);
}

/// `serve` runs no render that outlives its client, so a client may close its half of the connection right after its request.
#[test]
fn a_half_closed_connection_is_answered() {
    let files = Files::new(&[("templates/index.html", "page"), ("static/a.txt", "text")]);
    let server = Server::run(Running::start(&["serve", text(files.path()), "--bind", "127.0.0.1:0"]));
    for _ in 0..50 {
        for (path, body) in [("/", "page"), ("/static/a.txt", "text")] {
            let stream = server.send("GET", path);
            stream.shutdown(Shutdown::Write).expect("half closed");
            let answer = crate::http::Answer::read(stream);
            assert_eq!((answer.status, &*answer.body), (200, body));
        }
    }
}
