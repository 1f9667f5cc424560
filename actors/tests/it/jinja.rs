//! The dialect `jinja`: its output compared with that of minijinja, and everything that it refuses.

mod across;
mod cases;
mod differential;
mod engine;
mod generator;
mod harm;
mod inputs;
mod judge;
mod names;
mod roots;
