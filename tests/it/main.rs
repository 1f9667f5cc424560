//! The crate and its command from outside.

mod site;

#[cfg(feature = "cli")]
mod check;
#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "cli")]
mod dev;
#[cfg(feature = "cli")]
mod graph;
#[cfg(feature = "cli")]
mod render;
#[cfg(feature = "cli")]
mod watch;

#[cfg(feature = "admin")]
mod admin;
#[cfg(feature = "admin")]
mod wire;
#[cfg(feature = "admin")]
mod metrics;

mod files;
