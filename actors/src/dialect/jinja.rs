//! The dialect `jinja`, an implementation of the language of Jinja2 and of the crate `minijinja` for long-running services.
//!
//! A text becomes tokens ([`lexer`]), a syntax tree ([`ast`], by [`parser`]), and then a resolved program that any number of threads execute
//! concurrently. Compiling takes linear time and bounded stack, whatever the text is.

mod ast;
mod fault;
mod foreign;
mod lexer;
mod lines;
mod parser;
