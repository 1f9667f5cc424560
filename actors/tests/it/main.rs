//! The engine's parts from outside.

mod dialect;
mod set;
