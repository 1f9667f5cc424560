//! The positions of paths, names, loops and calls in a text, for other implementations of the language.

use std::ops::Range;

use super::scan::{Token, scan};
use super::tag::Tag;
use crate::diagnostic::Diagnostic;
use crate::limits::Limits;
use crate::template::TemplateName;

/// A part of a tag, with its byte range in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dialect) enum Mark {
    /// The path of a value or a condition, or path and name of a `with`.
    Path(Range<usize>),
    /// The name of a formatter.
    Formatter(Range<usize>),
    /// The name that a `for` defines, and the path that it iterates over.
    Loop { name: Range<usize>, path: Range<usize> },
    /// The template that a `call` names, the position of that name, and the path that is passed.
    Call {
        name: TemplateName,
        place: Range<usize>,
        path: Range<usize>,
    },
}

/// Returns the marks of a text in their order, or diagnostics of everything that its author has to change.
pub(in crate::dialect) fn outline(text: &str, limits: &Limits) -> Result<Vec<Mark>, Vec<Diagnostic>> {
    let mut marks = Vec::new();
    for token in scan(text, limits)? {
        let Token::Tag(tag) = token else { continue };
        match tag {
            Tag::Value { path, formatter } => {
                marks.push(Mark::Path(path.part().range()));
                marks.extend(formatter.map(|name| Mark::Formatter(name.range())));
            }
            Tag::If { path, .. } => marks.push(Mark::Path(path.part().range())),
            Tag::With { path, name } => marks.extend([Mark::Path(path.part().range()), Mark::Path(name.range())]),
            Tag::For { path, name } => marks.push(Mark::Loop {
                name: name.range(),
                path: path.part().range(),
            }),
            Tag::Call { callee, path } => marks.push(Mark::Call {
                name: callee.name,
                place: callee.place.range(),
                path: path.part().range(),
            }),
            Tag::Else | Tag::EndIf | Tag::EndFor | Tag::EndWith => {}
        }
    }
    Ok(marks)
}
