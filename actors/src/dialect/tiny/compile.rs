//! Compilation of tokens to a unit: names become slots, blocks become jumps.
//!
//! One pass emits the operations. The target of a forward jump is not known when the jump is emitted, so the operation stays on a stack of
//! open blocks and gets its target when the block is closed (backpatching).

use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;

use crate::diagnostic::Span;
use crate::dialect::body::BLOCK_BYTES;
use crate::dialect::{Call, CallKind, FormatterUse, Missing};
use crate::limits::Limits;
use crate::value::KeyWords;

use super::path::Path;
use super::piece::TextRange;
use super::program::{Action, NO_INDEX, Operation, PathRef, Step};
use super::scan::Token;
use super::tag::{Tag, chain};
use super::unit::TinyUnit;

/// Compiles the tokens of a text that the scanner accepted.
pub(super) fn compile(text: &str, tokens: &[Token], limits: &Limits) -> TinyUnit {
    let mut compiler = Compiler {
        ops: Vec::with_capacity(tokens.len()),
        steps: Vec::with_capacity(tokens.len()),
        spans: Spans::new(text),
        ..Compiler::default()
    };
    for token in tokens {
        match token {
            Token::Text(part) => compiler.text(*part),
            Token::Tag(tag) => compiler.tag(tag),
        }
    }
    compiler.flush();
    TinyUnit {
        text: padded(text),
        text_bytes: text.len(),
        ops: compiler.ops.into(),
        steps: compiler.steps.into(),
        slots: compiler.slots_max + 1,
        missing: Missing::Error,
        calls: compiler.calls.into(),
        formatters: compiler.formatters.into(),
        warnings: OnceLock::new(),
        reads: OnceLock::new(),
        warnings_max: limits.source_diagnostics,
    }
}

/// Returns the text with padding behind it, so that whole blocks can be copied from any position.
fn padded(text: &str) -> Box<str> {
    const PADDING: &str = match std::str::from_utf8(&[b' '; BLOCK_BYTES]) {
        Ok(padding) => padding,
        Err(_) => "",
    };
    [text, PADDING].concat().into()
}

#[derive(Default)]
struct Compiler<'t> {
    ops: Vec<Operation>,
    /// The text before the next operation.
    lead: TextRange,
    steps: Vec<Step>,
    calls: Vec<Call>,
    formatters: Vec<FormatterUse>,
    /// The operations whose jump targets are not known yet, the innermost last.
    open: Vec<usize>,
    /// The open scopes, the innermost last: slot n is at n - 1.
    scopes: Vec<Scope<'t>>,
    slots_max: usize,
    spans: Spans<'t>,
}

struct Scope<'t> {
    name: &'t str,
    is_loop: bool,
}

impl<'t> Compiler<'t> {
    fn text(&mut self, part: TextRange) {
        let TextRange { start, length } = self.lead;
        if length > 0 && start + length == part.start {
            self.lead.length += part.length;
            return;
        }
        self.flush();
        self.lead = part;
    }

    fn push(&mut self, act: Action) {
        let lead = std::mem::take(&mut self.lead);
        self.ops.push(Operation { lead, act });
    }

    /// Makes an operation of the text before a jump target, so that jumps skip it.
    fn flush(&mut self) {
        if self.lead.length > 0 {
            self.push(Action::None);
        }
    }

    fn tag(&mut self, tag: &Tag) {
        match tag {
            Tag::Value { path, formatters } => self.value(path, *formatters),
            Tag::If { path, negated } => self.condition(path, *negated),
            Tag::Else => {
                let goto = self.ops.len();
                self.push(Action::Goto(0));
                self.close();
                self.open.push(goto);
            }
            Tag::EndIf => self.close(),
            Tag::For { path, name } => self.scope(path, *name, true),
            Tag::EndFor => {
                if let Some(start) = self.open.last() {
                    let body = small(start + 1);
                    let slot = self.slot();
                    self.push(Action::Next { slot, body });
                }
                self.close();
                self.scopes.pop();
            }
            Tag::With { path, name } => self.scope(path, *name, false),
            Tag::EndWith => {
                self.close();
                self.scopes.pop();
            }
            Tag::Call { callee, path } => {
                let path = self.path(path);
                let call = small(self.calls.len());
                self.calls.push(Call {
                    name: callee.name.clone(),
                    span: self.spans.span(callee.place),
                    kind: CallKind::Required,
                });
                self.push(Action::Call { path, call });
            }
        }
    }

    fn value(&mut self, path: &Path, formatters: Option<TextRange>) {
        let act = match (path, formatters) {
            (Path::Turn(turn, part), _) => Action::Turn {
                turn: *turn,
                slot: self.loop_slot(),
                at: part.start,
            },
            (path, None) => Action::Value(self.path(path)),
            (path, Some(part)) => {
                let first = small(self.formatters.len());
                for name in chain(part.of(self.spans.text)) {
                    self.formatters.push(FormatterUse {
                        name: name.text.into(),
                        span: self.spans.span(name.part()),
                    });
                }
                let path = self.path(path);
                match small(self.formatters.len()) - first {
                    1 => Action::Formatted { path, formatter: first },
                    count => Action::Chained {
                        path,
                        first,
                        count: count as u16,
                    },
                }
            }
        };
        self.push(act);
    }

    fn condition(&mut self, path: &Path, negated: bool) {
        let act = match path {
            Path::Turn(turn, _) => Action::IfTurn {
                turn: *turn,
                negated,
                slot: self.loop_slot(),
                otherwise: 0,
            },
            path => Action::If {
                path: self.path(path),
                negated,
                otherwise: 0,
            },
        };
        self.open.push(self.ops.len());
        self.push(act);
    }

    fn scope(&mut self, path: &Path, name: TextRange, is_loop: bool) {
        let path = self.path(path);
        self.scopes.push(Scope {
            name: name.of(self.spans.text).text,
            is_loop,
        });
        self.slots_max = self.slots_max.max(self.scopes.len());
        let slot = self.slot();
        self.open.push(self.ops.len());
        self.push(match is_loop {
            true => Action::For { path, slot, end: 0 },
            false => Action::With { path, slot, end: 0 },
        });
    }

    /// Sets the jump target of the innermost open operation to this position.
    fn close(&mut self) {
        self.flush();
        let here = small(self.ops.len());
        let innermost = self
            .open
            .pop()
            .and_then(|at| self.ops.get_mut(at))
            .map(|op| &mut op.act);
        match innermost {
            Some(Action::If { otherwise: target, .. } | Action::IfTurn { otherwise: target, .. })
            | Some(Action::Goto(target))
            | Some(Action::With { end: target, .. } | Action::For { end: target, .. }) => *target = here,
            _ => {}
        }
    }

    /// Returns the slot of the innermost scope.
    fn slot(&self) -> u16 {
        slot(self.scopes.len())
    }

    /// Returns the slot of the innermost loop. The scanner ensures that there is one.
    fn loop_slot(&self) -> u16 {
        slot(
            self.scopes
                .iter()
                .rposition(|scope| scope.is_loop)
                .map_or(0, |at| at + 1),
        )
    }

    fn path(&mut self, path: &Path) -> PathRef {
        let piece = path.part().of(self.spans.text);
        let bytes = piece.text.as_bytes();
        let name_length = match path {
            Path::Root(_) | Path::Turn(..) => {
                return PathRef {
                    slot: 0,
                    count: 0,
                    first: small(piece.start),
                };
            }
            Path::Name(_) => bytes.len(),
            Path::Steps(_) => bytes.iter().position(|byte| *byte == b'.').unwrap_or(bytes.len()),
        };
        let name = &piece.text[..name_length];
        let named = self.scopes.iter().rposition(|scope| scope.name == name);
        let scope = slot(named.map_or(0, |at| at + 1));
        let mut lead = if named.is_some() { name_length + 1 } else { 0 };
        let first = self.steps.len();
        match (path, bytes.get(lead..)) {
            // The name of a scope without further steps.
            (_, None) => {
                return PathRef {
                    slot: scope,
                    count: 0,
                    first: small(piece.start),
                };
            }
            (Path::Name(_), Some(step)) => self.step(piece.start, lead, step),
            (_, Some(steps)) => {
                for step in steps.split(|byte| *byte == b'.') {
                    self.step(piece.start, lead, step);
                    lead += step.len() + 1;
                }
            }
        }
        PathRef {
            slot: scope,
            count: narrow(self.steps.len() - first),
            first: small(first),
        }
    }

    /// Adds a step that begins `lead` bytes behind the beginning of its path.
    fn step(&mut self, start: usize, lead: usize, step: &[u8]) {
        self.steps.push(Step {
            start: small(start + lead),
            length: narrow(step.len()),
            lead: narrow(lead),
            index: index_of(step),
            words: KeyWords::of(step),
            hint: AtomicU32::new(0),
        });
    }
}

/// Returns a step as an index; [`NO_INDEX`] for a name and for a number that is larger than any array.
fn index_of(step: &[u8]) -> u32 {
    let number = step.iter().try_fold(0_u32, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u32::from(byte - b'0')),
        _ => None,
    });
    number.unwrap_or(NO_INDEX)
}

/// Converts a position in a text or in its program. The scanner rejects longer texts.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Converts a length in a path. The scanner rejects longer paths.
fn narrow(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Converts a depth of scopes. The scanner rejects deeper ones.
fn slot(number: usize) -> u16 {
    narrow(number)
}

/// Computes the lines and columns of ascending positions, in one pass over the text.
#[derive(Default)]
pub(super) struct Spans<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    column: u32,
}

impl<'t> Spans<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            column: 1,
        }
    }

    pub(super) fn span(&mut self, part: TextRange) -> Span {
        let piece = part.of(self.text);
        let between = &self.text[self.at..piece.start];
        let lines = memchr::memchr_iter(b'\n', between.as_bytes()).count();
        let on_line = match between.rfind('\n') {
            Some(newline) => {
                self.column = 1;
                &between[newline + 1..]
            }
            None => between,
        };
        self.line += small(lines);
        self.column += small(on_line.chars().count());
        self.at = piece.start;
        Span {
            line: self.line,
            column: self.column,
            length: small(piece.text.chars().count()),
        }
    }
}
