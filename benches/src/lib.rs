//! Shared code of the benchmarks: data, engines, measurement and tables.
//!
//! Absolute times are not reliable on a machine with other load; ratios of interleaved runs are. So every binary runs its subjects in
//! interleaved rounds (A B C, A B C, …) and compares within a round.

pub mod allocations;
pub mod data;
pub mod engines;
pub mod measure;
pub mod serve;
pub mod table;
