//! `hotplate dev`: a site over HTTP, and on the terminal what its author has to know.

use std::net::{TcpListener, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use actix_web::{App, HttpServer, rt};
use clap::Args;
use hotplate::site::Site;
use hotplate::web::{Editor, Pages, Web};
use hotplate::{Hotplate, Subscription};

use super::story::Story;
use super::{Directory, Failure, names, start};

/// Threads that answer requests. This serves an author, not the world.
const WORKERS: usize = 2;
/// How long what is under way may take at the end.
const GOODBYE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    directory: Directory,
    /// The address to listen on; port 0 lets the system choose one
    #[arg(long, default_value = "127.0.0.1:7878", value_name = "ADDRESS")]
    bind: String,
    /// The editor that links in the browser open: vscode, vscodium, cursor, zed, idea, subl, or a link with {file}, {line}, {column}
    #[arg(long, default_value = "vscode", value_name = "EDITOR")]
    editor: Editor,
}

impl Dev {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let site = self.directory.open()?;
        let listener = listen(&self.bind)?;
        let hotplate = start(site.builder(), site.directory())?;
        let subscription = hotplate.subscribe();
        let mut story = Story::new(&site);
        begin(&mut story, &site, &hotplate, &listener)?;
        let web = Web::new(hotplate.clone()).development(true).editor(self.editor.clone());
        let pages = Pages::of(web, site);
        let served = rt::System::new().block_on(serve(story, pages, hotplate.clone(), subscription, listener));
        super::block_on(hotplate.shutdown(GOODBYE))?;
        served.map(|()| ExitCode::SUCCESS)
    }
}

fn begin(story: &mut Story, site: &Site, hotplate: &Hotplate, listener: &TcpListener) -> Result<(), Failure> {
    let pinned = hotplate.snapshot();
    let snapshot = pinned.snapshot();
    let templates = snapshot.entries().filter(|(_, name, _)| site.is_template(name)).count();
    let directory = site.directory().display();
    let templates = names::count(templates, "template");
    story.line(&format!(
        "hotplate serves {directory}: {templates}, version {}",
        snapshot.version()
    ))?;
    if let Ok(address) = listener.local_addr() {
        story.line(&format!("open http://{address}/ (end with Ctrl-C)\n"))?;
    }
    Ok(story.wrong(&hotplate.diagnostics(), snapshot)?)
}

/// Answers requests until a signal comes, and tells each event meanwhile.
async fn serve(
    mut story: Story,
    pages: Pages,
    hotplate: Hotplate,
    mut subscription: Subscription,
    listener: TcpListener,
) -> Result<(), Failure> {
    let server = HttpServer::new(move || App::new().configure(|app| pages.configure(app)))
        .workers(WORKERS)
        .shutdown_timeout(GOODBYE.as_secs())
        .listen(listener)
        .map_err(|error| Failure::Wrong(format!("the server does not start: {error}")))?
        .run();
    let handle = server.handle();
    let telling = async {
        while let Some(event) = subscription.next().await {
            story.event(&event, &hotplate)?;
        }
        Ok::<(), std::io::Error>(())
    };
    let mut server = std::pin::pin!(server);
    let told = tokio::select! {
        // Its own handlers end it on Ctrl-C and SIGTERM.
        served = &mut server => return served.map_err(|error| Failure::Said(format!("the server ended: {error}"))),
        told = telling => told,
    };
    handle.stop(true).await;
    Ok(told?)
}

fn listen(bind: &str) -> Result<TcpListener, Failure> {
    let wrong = |error: std::io::Error| {
        Failure::Wrong(match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("{bind} is in use by another program: end it, or choose another with `--bind 127.0.0.1:0`")
            }
            _ => format!("{bind} cannot be listened on: {error}"),
        })
    };
    let addresses: Vec<_> = bind.to_socket_addrs().map_err(wrong)?.collect();
    TcpListener::bind(&addresses[..]).map_err(wrong)
}
