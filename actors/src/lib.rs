//! The engine of hotplate.
pub mod budget;
pub mod context;
pub mod diagnostic;
pub mod dialect;
pub mod limits;
pub mod scope;
pub mod supervision;
pub mod template;
pub mod value;
pub mod version;

pub use limits::Limits;
pub use template::{Digest, NameError, Source, TemplateName};
