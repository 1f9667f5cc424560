//! An actor of your own under the supervision of hotplate: it writes down every version that is published.
//!
//! `cargo run --example own_actor`. It fails on purpose once, is started again, and what it has acknowledged is still there.

use std::time::Duration;

use actix::Message;
use hotplate::supervision::{Behavior, Fault, FaultMoment, Serve, Started, Vault};
use hotplate::{Event, Hotplate, MemoryLoader, Policy, Strategy, TemplateName};

/// The journal of versions. It lives in the `Vault`, where no fault of the actor reaches it.
#[derive(Clone)]
struct Setup {
    versions: Vault<Vec<u64>>,
}

struct Audit {
    versions: Vault<Vec<u64>>,
}

impl Behavior for Audit {
    type Config = Setup;

    /// Called at first and after each fault. `open` fences an earlier one that might still be at work somewhere.
    fn start(setup: &Setup) -> Started<Self> {
        let versions = setup.versions.open();
        Ok(Self { versions })
    }
}

/// Every event of the engine is sent here; this one writes down what was published.
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
    let (loader, shelf) = MemoryLoader::new();
    let hotplate = Hotplate::builder().loader(loader).watch(false).start()?;

    // At most five restarts within a minute, each after a pause. Beyond that it stays down, and the engine goes on without it.
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
        shelf.set(TemplateName::new("page.html")?, text);
        hotplate.reload().await?;
        if text == "two" {
            // A drill: the next message of this actor fails after it was served.
            audit.faults().inject(FaultMoment::After);
        }
    }
    let versions = loop {
        match audit.send(Versions).await? {
            Ok(versions) if versions.len() == 3 => break versions,
            Ok(_) => tokio::task::yield_now().await,
            Err(fault) => eprintln!("asked again, for {fault}"),
        }
    };
    println!(
        "published {versions:?}, the audit was started again {} time(s)",
        audit.child().restarts()
    );
    assert!(hotplate.shutdown(Duration::from_secs(10)).await);
    Ok(())
}
