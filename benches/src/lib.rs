//! What the benchmarks share: the data, the engines, how time is taken, how tables are printed.
//!
//! Times on a machine that does other things too mean little; ratios of what was run in turn mean more. So every binary here runs
//! its subjects in interleaved rounds (A B C, A B C, …), and compares within a round.

pub mod allocations;
pub mod data;
pub mod engines;
pub mod measure;
pub mod serve;
pub mod table;
