//! An engine with its dashboard: `cargo run --features admin --example admin -- examples/site`, then open the address.

use hotplate::admin::Admin;
use hotplate::site::Site;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "examples/site".to_owned());
    let hotplate = Site::open(directory)?.builder().start()?;
    let admin = Admin::new(hotplate.clone()).start()?;
    println!("open http://{}/_hotplate/ (end with Enter)", admin.address());
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
