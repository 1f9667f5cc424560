//! The engine of hotplate.
pub mod budget;
pub mod context;
pub mod diagnostic;
pub mod dialect;
pub mod graph;
pub mod limits;
pub mod registry;
pub mod scope;
pub mod snapshot;
pub mod supervision;
pub mod template;
#[cfg(test)]
mod testing;
pub mod value;
pub mod version;

pub use limits::Limits;
pub use template::{Digest, NameError, Source, TemplateName};
