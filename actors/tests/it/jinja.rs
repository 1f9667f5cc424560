//! The dialect `jinja`: its output compared with that of minijinja, and everything that it refuses.

mod across;
pub(crate) mod arbitrary;
mod cases;
#[cfg(feature = "jinja-contrib")]
mod contrib;
mod differential;
mod engine;
mod extensions;
mod foreign;
mod generator;
mod harm;
mod inputs;
mod judge;
mod names;
mod roots;
