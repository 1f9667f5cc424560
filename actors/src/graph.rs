//! Who calls whom, and what a batch of changes makes of each entry.
pub mod edges;
mod faults;
pub mod plan;
mod verdicts;
