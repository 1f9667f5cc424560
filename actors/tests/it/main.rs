//! The engine's parts from outside.

mod against_the_crate;
mod dialect;
mod differential;
mod engine;
mod generator;
mod harm;
mod reference;
mod set;
