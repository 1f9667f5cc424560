//! The engine's parts from outside.

mod against_the_crate;
mod dialect;
mod differential;
mod edits;
mod engine;
mod generator;
mod harm;
mod promises;
mod reference;
mod set;
mod supervision;
#[cfg(target_os = "linux")]
mod watching;
