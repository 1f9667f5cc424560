//! A compiled text of the dialect.

use std::sync::{Arc, OnceLock};

use super::extension::Extensions;
use super::program::{Key, Program};
use super::value::Definitions;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Call, FormatterUse, Missing, Reads};

/// A compiled text of the dialect `jinja`, immutable except for hints that do not influence the output.
#[derive(Debug)]
pub(super) struct JinjaUnit {
    /// The source, a padding, and strings of the program that do not stand in the source.
    pub(super) text: Box<str>,
    /// The length of the source.
    pub(super) text_bytes: usize,
    pub(super) program: Program,
    /// The filters, tests, functions and globals of the program.
    pub(super) extensions: Arc<Extensions>,
    /// The treatment of missing paths in this text. A render can be lenient in addition.
    pub(super) missing: Missing,
    pub(super) calls: Box<[Call]>,
    /// The name of a template is computed.
    pub(super) computes_names: bool,
    pub(super) formatters: Box<[FormatterUse]>,
    /// The warnings, which are computed on the first request: most texts are compiled only to be rendered.
    pub(super) warnings: OnceLock<Box<[Diagnostic]>>,
    pub(super) warnings_max: usize,
    /// The reads, which are computed on the first request: most entries have no schema.
    pub(super) reads: OnceLock<Reads>,
}

impl JinjaUnit {
    /// Returns the text that was compiled.
    pub(super) fn source(&self) -> &str {
        &self.text[..self.text_bytes]
    }

    /// Returns the text of a key.
    pub(super) fn key(&self, key: u32) -> &str {
        self.program.keys.get(key as usize).map_or("", |key| self.text_of(key))
    }

    pub(super) fn text_of(&self, key: &Key) -> &str {
        self.stored(key.start, key.length)
    }

    /// Returns a part of the text of the program.
    pub(super) fn stored(&self, start: u32, length: u32) -> &str {
        let start = start as usize;
        self.text.get(start..start + length as usize).unwrap_or_default()
    }
}

impl Definitions for JinjaUnit {
    fn name(&self, index: u32) -> &str {
        let definition = self.program.macros.get(index as usize);
        definition.map_or("", |definition| self.key(definition.name))
    }

    fn parameter(&self, index: u32, at: usize) -> Option<&str> {
        let parameter = self.program.macros.get(index as usize)?.parameters.get(at)?;
        Some(self.key(parameter.name))
    }

    fn uses_caller(&self, index: u32) -> bool {
        let definition = self.program.macros.get(index as usize);
        definition.is_some_and(|definition| definition.caller)
    }
}

impl Program {
    /// Returns the memory of the lists in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.operations)
            + size_of_val(&*self.code)
            + size_of_val(&*self.places)
            + size_of_val(&*self.keys)
            + size_of_val(&*self.paths)
            + size_of_val(&*self.constants)
            + size_of_val(&*self.shapes)
            + size_of_val(&*self.targets)
            + size_of_val(&*self.loops)
            + size_of_val(&*self.blocks)
            + size_of_val(&*self.macros)
            + size_of_val(&*self.templates)
    }
}
