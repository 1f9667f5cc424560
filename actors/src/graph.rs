//! Who calls whom, and what a batch of changes makes of each entry.
mod batch;
pub mod edges;
mod faults;
pub mod plan;
mod verdicts;
