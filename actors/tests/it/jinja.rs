//! The dialect `jinja`: its output compared with that of minijinja, and everything that it refuses.

mod cases;
mod differential;
mod engine;
mod extensions;
mod generator;
mod harm;
mod inputs;
mod judge;
