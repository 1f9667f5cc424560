//! A `Render` message against a direct render of the same small and realistic pages, from 1 client and from 1,000 at once, all in
//! one actix arbiter. Prints Markdown.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use hotplate_actors::{Context, Hotplate, Render};
use hotplate_benches::data::{self, Page};
use hotplate_benches::measure::{Samples, nanoseconds, rounds};
use hotplate_benches::{engines, table};
use serde::{Serialize, Serializer};

const RENDERS: usize = 2_000;

#[derive(Clone)]
struct Shared(Arc<Page>);

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

fn main() {
    let hotplate = engines::hotplate::start();
    actix::System::new().block_on(compare(hotplate));
}

async fn compare(hotplate: Hotplate) {
    for (what, products) in [("a page with 1 row", 1), ("a page with 50 rows", 50)] {
        let page = Shared(Arc::new(data::page(products)));
        let mut samples: [Samples; 3] = std::array::from_fn(|_| Samples(Vec::new()));
        for _ in 0..rounds(15) {
            for (at, clients) in [0, 1, 1_000].into_iter().enumerate() {
                let start = Instant::now();
                if clients == 0 {
                    for _ in 0..RENDERS {
                        black_box(hotplate.render("page.html", &page).expect("it renders"));
                    }
                } else {
                    send(&hotplate, &page, clients).await;
                }
                samples[at].0.push(nanoseconds(start.elapsed()) / RENDERS as f64);
            }
        }
        println!("### {what}\n");
        let names = ["direct", "`Render`, 1 client", "`Render`, 1,000 clients"];
        let rows: Vec<_> = names
            .iter()
            .zip(&samples)
            .map(|(name, own)| {
                let ratio = own.ratio_to(&samples[0]);
                let (median, ratios) = (table::time(own.median()), table::ratio(&ratio));
                vec![(*name).to_owned(), median, ratios, table::spread(&ratio)]
            })
            .collect();
        table::print(
            &["for each render", "median", "ratio to direct", "half of the rounds"],
            &rows,
        );
    }
}

/// All renders, by so many clients at once.
async fn send(hotplate: &Hotplate, page: &Shared, clients: usize) {
    let left = Rc::new(std::cell::Cell::new(RENDERS));
    let renderer = hotplate.renderer();
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let (left, renderer, page) = (Rc::clone(&left), renderer.clone(), page.clone());
            actix::spawn(async move {
                while let Some(fewer) = left.get().checked_sub(1) {
                    left.set(fewer);
                    let render = Render::new("page.html", Context::new(page.clone()));
                    black_box(renderer.send(render).await.expect("it renders"));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no panic");
    }
}
