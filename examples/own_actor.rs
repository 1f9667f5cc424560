//! Your own actor under the supervision of hotplate: it records every published version.
//!
//! Run `cargo run --example own_actor`. The actor fails once on purpose and is restarted; state that it has acknowledged is kept.

use std::time::Duration;

use actix::Message;
use hotplate::supervision::{Behavior, Fault, FaultMoment, Serve, Started, Vault};
use hotplate::{Event, Hotplate, MemoryLoader, Policy, Strategy, TemplateName};

/// The journal of versions. It is kept in the `Vault`, so it survives faults of the actor.
#[derive(Clone)]
struct Setup {
    versions: Vault<Vec<u64>>,
}

struct Audit {
    versions: Vault<Vec<u64>>,
}

impl Behavior for Audit {
    type Config = Setup;

    /// Starts the actor, at first and after each fault. `open` fences off a former instance that may still be running.
    fn start(setup: &Setup) -> Started<Self> {
        let versions = setup.versions.open();
        Ok(Self { versions })
    }
}

/// Receives every event of the engine, and records the published versions.
impl Serve<Event> for Audit {
    async fn serve(&mut self, event: Event) {
        if let Event::Published(published) = event {
            let mut versions = self.versions.draft();
            versions.push(published.version.number());
            if self.versions.commit(versions).is_err() {
                eprintln!("another audit has taken over");
            }
        }
    }
}

#[derive(Message)]
#[rtype(result = "Result<Vec<u64>, Fault>")]
struct Versions;

impl Serve<Versions> for Audit {
    async fn serve(&mut self, _: Versions) -> Result<Vec<u64>, Fault> {
        Ok(self.versions.draft())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (loader, memory) = MemoryLoader::new();
    let hotplate = Hotplate::builder().loader(loader).watch(false).start()?;

    // At most five restarts within a minute, each after a delay. Beyond that the actor stays down, and the engine continues without it.
    let policy = Policy {
        restarts: 5,
        ..Policy::default()
    };
    let group = hotplate.group("audit", Strategy::OneForOne, Policy::never())?;
    let setup = Setup {
        versions: Vault::new(Vec::new()),
    };
    let audit = group.start::<Audit>("audit", setup, policy)?;
    hotplate.subscribe_actor(&audit)?;

    for text in ["one", "two", "three"] {
        memory.set(TemplateName::new("page.html")?, text);
        hotplate.reload().await?;
        if text == "two" {
            // Injects a fault: the next message of this actor fails after it was handled.
            audit.faults().inject(FaultMoment::After);
        }
    }
    let versions = loop {
        match audit.send(Versions).await? {
            Ok(versions) if versions.len() == 3 => break versions,
            Ok(_) => tokio::task::yield_now().await,
            Err(fault) => eprintln!("trying again: {fault}"),
        }
    };
    println!(
        "published {versions:?}, the audit was started again {} time(s)",
        audit.child().restarts()
    );
    assert!(hotplate.shutdown(Duration::from_secs(10)).await);
    Ok(())
}
