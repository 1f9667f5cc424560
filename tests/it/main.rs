//! The crate and its command from outside.

mod site;

#[cfg(all(feature = "cli", target_os = "linux"))]
mod soak;
mod sources;

#[cfg(feature = "cli")]
mod blog;
#[cfg(feature = "cli")]
mod browser;
#[cfg(feature = "cli")]
mod check;
#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "cli")]
mod config;
#[cfg(feature = "cli")]
mod dashboard;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod deploy;
#[cfg(feature = "cli")]
mod dev;
#[cfg(feature = "cli")]
mod docs;
mod faults;
mod follow;
#[cfg(feature = "cli")]
mod graph;
#[cfg(feature = "admin")]
mod guard;
#[cfg(feature = "cli")]
mod guides;
#[cfg(feature = "cli")]
mod init;
#[cfg(feature = "cli")]
mod jinja;
#[cfg(feature = "cli")]
mod inputs;
#[cfg(feature = "cli")]
mod reload;
#[cfg(feature = "cli")]
mod lists;
#[cfg(feature = "cli")]
mod live;
#[cfg(feature = "cli")]
mod narrow;
#[cfg(feature = "cli")]
mod operate;
mod overlay;
#[cfg(feature = "cli")]
mod own_command;
#[cfg(feature = "cli")]
mod pace;
#[cfg(feature = "cli")]
mod plain;
#[cfg(feature = "cli")]
mod preview;
#[cfg(feature = "cli")]
mod render;
#[cfg(feature = "cli")]
mod scopes;
#[cfg(feature = "cli")]
mod serve;
#[cfg(feature = "cli")]
mod shutdown;
#[cfg(feature = "cli")]
mod stages;
#[cfg(feature = "cli")]
mod sidecar;
#[cfg(feature = "cli")]
mod statics;
mod store;
#[cfg(feature = "cli")]
mod trace;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod unread;
#[cfg(feature = "admin")]
mod wait;
#[cfg(feature = "cli")]
mod watch;

#[cfg(feature = "admin")]
mod admin;
#[cfg(feature = "cli")]
mod axe;
#[cfg(feature = "admin")]
mod wire;
#[cfg(feature = "admin")]
mod metrics;
#[cfg(feature = "admin")]
mod schema;

#[cfg(feature = "web")]
mod web;
#[cfg(all(feature = "web", feature = "admin"))]
mod worker;
mod files;
#[cfg(feature = "cli")]
mod http;
