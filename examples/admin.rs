//! The dashboard of a shop with visitors.
//!
//! Run `cargo run --features admin --example admin`, open the printed address and edit a file below `examples/site/templates`.

use std::time::Duration;

use hotplate::Hotplate;
use hotplate::admin::Admin;
use hotplate::site::{Site, SiteData};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "examples/site".to_owned());
    let site = Site::open(directory)?;
    let hotplate = site.builder().start()?;
    let admin = Admin::new(hotplate.clone()).start()?;
    println!("open http://{}/_hotplate/ (end with Enter)", admin.address());
    std::thread::spawn(move || visit(&hotplate, &site));
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Simulates some hundred visits per second, so that the dashboard has data.
fn visit(hotplate: &Hotplate, site: &Site) {
    let (_never, wait) = std::sync::mpsc::channel::<()>();
    for round in 0_u64.. {
        let pinned = hotplate.snapshot();
        for (_, name, _) in pinned
            .snapshot()
            .entries()
            .filter(|(_, name, _)| site.is_template(name) && !name.as_str().contains('_'))
        {
            if name.as_str().len() as u64 % 7 <= round % 5 {
                let _ = hotplate.request(name.as_str()).with_source(SiteData).render();
            }
        }
        let _ = wait.recv_timeout(Duration::from_millis(50 + 40 * (round % 3)));
    }
}
