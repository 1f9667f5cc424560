//! Compares `Render` messages with direct calls, for 1 and for 1,000 concurrent clients: from an actix arbiter, where they are answered in
//! the arbiter's thread, and from the threads of another runtime, where they are answered by the pool. Prints Markdown.

use std::pin::Pin;
use std::time::Instant;

use hotplate_actors::{Context, Hotplate, Render};
use hotplate_benches::data::page;
use hotplate_benches::engines::hotplate;
use hotplate_benches::measure::{Samples, nanoseconds, rounds};
use hotplate_benches::table;
use tokio::task::JoinHandle;

const NAME: &str = "page.html";

fn main() {
    let hotplate = hotplate::start(hotplate::Language::Tiny);
    actix::System::new().block_on(compare(&hotplate, "an arbiter", actix::spawn));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(compare(&hotplate, "the threads of another runtime", tokio::spawn));
}

/// Measures with clients that `spawn` runs concurrently.
async fn compare(hotplate: &Hotplate, from: &str, spawn: fn(Client) -> JoinHandle<()>) {
    for (clients, each) in [(1, 400), (1000, 4)] {
        let mut samples = [const { Samples(Vec::new()) }; 2];
        for _ in 0..rounds(21) {
            for by_message in [false, true] {
                let start = Instant::now();
                let client = |_| spawn(Box::pin(client(hotplate.clone(), each, by_message)));
                for client in (0..clients).map(client).collect::<Vec<_>>() {
                    client.await.expect("every page is answered");
                }
                let time = nanoseconds(start.elapsed()) / (clients * each) as f64;
                samples[usize::from(by_message)].0.push(time);
            }
        }
        let row = |name: &str, at: usize| {
            let ratio = samples[at].ratio_to(&samples[0]);
            vec![
                name.to_owned(),
                table::time(samples[at].median()),
                table::ratio(&ratio),
                table::spread(&ratio),
            ]
        };
        println!("### {clients} clients in {from}: time per page\n");
        let rows = [row("direct call", 0), row("`Render` message", 1)];
        table::print(
            &["how", "median", "ratio to a direct call", "interquartile range"],
            &rows,
        );
    }
}

type Client = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn client(hotplate: Hotplate, pages: usize, by_message: bool) {
    for _ in 0..pages {
        let data = page(50);
        let rendered = match by_message {
            true => hotplate.renderer().send(Render::new(NAME, Context::new(data))).await,
            false => hotplate.render(NAME, &data),
        };
        assert!(rendered.expect("it renders").body.len() > 20_000);
    }
}
