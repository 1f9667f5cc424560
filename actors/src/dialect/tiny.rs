//! The dialect `tiny`.
pub mod escape;
