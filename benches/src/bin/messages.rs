//! `Render` messages against direct calls, for 1 client and for 1,000 at once. Prints Markdown.

use std::time::Instant;

use hotplate_actors::{Context, Hotplate, Render};
use hotplate_benches::data::page;
use hotplate_benches::engines::hotplate;
use hotplate_benches::measure::{Samples, nanoseconds, rounds};
use hotplate_benches::table;

const NAME: &str = "page.html";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let hotplate = hotplate::start();
    runtime.block_on(async {
        for (clients, each) in [(1, 400), (1000, 4)] {
            let mut samples = [const { Samples(Vec::new()) }; 2];
            for _ in 0..rounds(21) {
                samples[0].0.push(all(&hotplate, clients, each, false).await);
                samples[1].0.push(all(&hotplate, clients, each, true).await);
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
            println!("### {clients} clients: time for each page of all that were answered\n");
            let rows = [row("direct call", 0), row("`Render` message", 1)];
            table::print(
                &["how", "median", "ratio to a direct call", "half of the rounds"],
                &rows,
            );
        }
    });
}

/// Nanoseconds for each page, while so many clients ask for so many pages each.
async fn all(hotplate: &Hotplate, clients: usize, each: usize, by_message: bool) -> f64 {
    let start = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| tokio::spawn(client(hotplate.clone(), each, by_message)))
        .collect();
    for task in tasks {
        task.await.expect("every page is answered");
    }
    nanoseconds(start.elapsed()) / (clients * each) as f64
}

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
