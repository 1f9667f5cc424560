//! Integration tests of the engine.

mod against_the_crate;
mod arbitrary;
#[cfg(target_os = "linux")]
mod burst;
mod canary;
mod chaos;
mod contract;
mod dialect;
mod differential;
mod edits;
mod engine;
mod failure_table;
mod generator;
mod harm;
mod isolation;
#[cfg(feature = "jinja")]
mod jinja;
mod mistyped;
mod mutations;
mod layers;
mod loaders;
mod preview;
mod promises;
mod same_as_the_crate;
mod scopes;
mod set;
mod store;
mod store_soak;
mod supervision;
#[cfg(target_os = "linux")]
mod watching;
