//! The process that this listener belongs to, so that an operator of several knows which one they look at, and its use of resources.

use std::fs;

use serde::Serialize;
use utoipa::ToSchema;

use super::model::HealthAnswer;
use super::state::AdminState;

/// The process: where it runs, what it runs, and what it uses.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct InstanceAnswer {
    /// The name of the machine, if the system tells it.
    pub(super) host: Option<String>,
    /// The number of the process.
    pub(super) process: u32,
    /// The version of hotplate.
    pub(super) hotplate: &'static str,
    /// The configuration file that it was started with, if there is one.
    pub(super) configuration: Option<String>,
    /// The sources of templates: the kind of each loader and its place.
    pub(super) sources: Vec<String>,
    /// The start of the engine, in milliseconds since 1970.
    pub(super) started_ms: u64,
    /// The memory that the process uses, in bytes, if the system tells it.
    pub(super) memory_bytes: Option<u64>,
    /// The limits that are counted, with their use.
    pub(super) limits: Vec<LimitUse>,
}

/// A limit and its use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct LimitUse {
    /// The limit in words.
    pub(super) name: String,
    /// The present use.
    pub(super) used: u64,
    /// The most that is allowed.
    pub(super) most: u64,
    /// True from four fifths on.
    pub(super) is_near: bool,
}

impl LimitUse {
    fn new(name: impl Into<String>, used: usize, most: usize) -> Self {
        let (used, most) = (used as u64, most as u64);
        Self {
            name: name.into(),
            used,
            most,
            is_near: most > 0 && used.saturating_mul(5) >= most.saturating_mul(4),
        }
    }
}

/// Returns the limits whose use is known without asking the system.
pub(super) fn limits(state: &AdminState, health: &HealthAnswer) -> Vec<LimitUse> {
    let snapshot = state.hotplate.snapshot();
    let templates = LimitUse::new(
        "templates",
        snapshot.snapshot().len(),
        state.hotplate.limits().templates,
    );
    let mailboxes = health.mailboxes.iter().map(|mailbox| {
        LimitUse::new(
            format!("{} in flight", mailbox.name),
            mailbox.in_flight,
            mailbox.capacity,
        )
    });
    let listeners = health.listeners.iter().map(|listener| {
        LimitUse::new(
            format!("connections of {}", listener.listener),
            listener.open,
            listener.capacity,
        )
    });
    std::iter::once(templates).chain(mailboxes).chain(listeners).collect()
}

/// Describes the process. Asks the system, so it may take a few milliseconds with many open files.
pub(super) fn instance(state: &AdminState) -> InstanceAnswer {
    let health = state.health();
    let mut limits = limits(state, &health);
    limits.extend(descriptors().map(|(used, most)| LimitUse::new("file descriptors", used, most)));
    InstanceAnswer {
        host: host(),
        process: std::process::id(),
        hotplate: env!("CARGO_PKG_VERSION"),
        configuration: state.configuration.clone(),
        sources: health.loaders.into_iter().map(|loader| loader.loader).collect(),
        started_ms: state.hotplate.counters().started_ms,
        memory_bytes: memory(),
        limits,
    }
}

fn host() -> Option<String> {
    let named = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let named = named
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())?;
    let name: String = named.trim().chars().take(253).collect();
    (!name.is_empty()).then_some(name)
}

fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Returns the number of open file descriptors and the most that the system allows.
fn descriptors() -> Option<(usize, usize)> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let most = line.split_whitespace().next()?.parse().ok()?;
    Some((fs::read_dir("/proc/self/fd").ok()?.count(), most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_near_from_four_fifths_on() {
        let near = [
            (0, 0),
            (79, 100),
            (80, 100),
            (100, 100),
            (4, 5),
            (usize::MAX, usize::MAX),
        ];
        let near = near.map(|(used, most)| LimitUse::new("it", used, most).is_near);
        assert_eq!(near, [false, false, true, true, true, true]);
    }
}
