//! What is served, and how the next version is made of the last.
pub mod history;
pub mod publish;
mod report;
pub mod truth;
