//! A service that includes the command line of hotplate, so that CI checks exactly what the service uses: templates, formatters, rules and
//! limits.
//!
//! ```sh
//! cargo run --features cli --example own_command                                   # serves, here: prints one page
//! cargo run --features cli --example own_command -- check --data examples/own_command/samples
//! cargo run --features cli --example own_command -- render item.html --data examples/own_command/samples/item.json
//! ```

use std::process::ExitCode;

use hotplate::dialect::{FormatterError, Output};
use hotplate::{Builder, Hotplate, Limits, Value};

#[derive(serde::Serialize)]
struct Item {
    name: &'static str,
    cents: u64,
}

/// Configures the engine for both the service and the command.
fn engine() -> Builder {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/own_command/templates");
    Hotplate::builder()
        .root(templates)
        .formatter("price", price)
        .limits(Limits {
            render_ms: 200,
            ..Limits::default()
        })
}

fn price(value: &Value<'_>, output: &mut Output<'_, '_>) -> Result<(), FormatterError> {
    match value {
        Value::Unsigned(cents) => output.text(&format!("€ {}.{:02}", cents / 100, cents % 100)),
        other => Err(FormatterError::new(format!(
            "it takes cents, and this is {}",
            other.kind()
        ))),
    }
}

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        return hotplate::cli::run(engine);
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let hotplate = engine().start()?;
    let item = Item {
        name: "Teapot",
        cents: 1999,
    };
    print!("{}", hotplate.render("item.html", &item)?.body);
    Ok(())
}
