//! The engine's parts from outside.

mod dialect;
mod reference;
mod set;
