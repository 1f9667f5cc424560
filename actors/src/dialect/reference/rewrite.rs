//! [`rewrite`]: a text with a tag of ours wherever a render has to be stoppable, and the way back to the author's places.
//!
//! The crate can only be stopped by a formatter that fails. So each loop's body begins with `{NAME|loop turn}`, and each call
//! stands between `{PATH|call enter}` and `{PATH|call leave}`: a look-up that is made there anyway, and a formatter that prints
//! nothing. A tag of ours takes over the dash of the tag beside it, which else would have nothing to trim any more.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::dialect::tiny::outline::Mark;

/// Formatters that are ours: in a template, no name of a formatter has a blank.
pub(super) const TURN: &str = "loop turn";
pub(super) const ENTER: &str = "call enter";
pub(super) const LEAVE: &str = "call leave";

/// What the crate gets.
pub(super) struct Rewritten {
    pub(super) text: Box<str>,
    /// In order.
    inserted: Box<[Inserted]>,
    /// Where paths, formatters and names stand in the author's text, in order.
    places: Box<[Range<usize>]>,
}

impl Rewritten {
    /// What it takes in memory besides its own place.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.inserted) + size_of_val(&*self.places)
    }
}

/// A tag of ours.
struct Inserted {
    /// In the rewritten text.
    range: Range<usize>,
    /// Where its copy of a path begins in the rewritten text.
    copy: usize,
    /// What it is a copy of, in the author's text.
    of: Range<usize>,
    /// Bytes of it and of all before it.
    bytes: usize,
}

/// Puts our tags in.
pub(super) fn rewrite(text: &str, marks: &[Mark]) -> Result<Rewritten, Vec<Diagnostic>> {
    let mut writer = Writer {
        text,
        taken: 0,
        out: String::with_capacity(text.len() + text.len() / 4),
        inserted: Vec::new(),
    };
    let mut places = Vec::with_capacity(marks.len());
    for mark in marks {
        match mark {
            Mark::Path(range) | Mark::Formatter(range) => places.push(range.clone()),
            Mark::Loop { name, path } => {
                places.extend([name.clone(), path.clone()]);
                let (close, dash) = writer.close_of(path);
                writer.copy_until(close);
                writer.insert(name, TURN, false, dash);
            }
            Mark::Call { place, path, .. } => {
                places.extend([place.clone(), path.clone()]);
                if text[path.clone()].starts_with('-') {
                    let message = "the dialect `tinytemplate` cannot call with a path that begins with a dash";
                    let fault = Diagnostic::error("dashed-path", message).at(text, path.clone());
                    return Err(vec![
                        fault.help("give it another name with `with`, or use the dialect `tiny`"),
                    ]);
                }
                let (open, dash_before) = writer.open_of(place);
                let (close, dash_after) = writer.close_of(path);
                writer.copy_until(open);
                writer.insert(path, ENTER, dash_before, false);
                writer.copy_until(close);
                writer.insert(path, LEAVE, false, dash_after);
            }
        }
    }
    writer.copy_until(text.len());
    Ok(Rewritten {
        text: writer.out.into(),
        inserted: writer.inserted.into(),
        places: places.into(),
    })
}

struct Writer<'t> {
    text: &'t str,
    /// Bytes of the text that are in `out`.
    taken: usize,
    out: String,
    inserted: Vec<Inserted>,
}

impl Writer<'_> {
    /// Where the tag begins that has `place` in it, and whether it begins with a dash.
    fn open_of(&self, place: &Range<usize>) -> (usize, bool) {
        let before = &self.text[self.taken..place.start];
        let open = before.rfind("{{").unwrap_or(before.len());
        (self.taken + open, before[open..].contains('-'))
    }

    /// Where the tag ends that has `path` as its last part, and whether it ends with a dash.
    fn close_of(&self, path: &Range<usize>) -> (usize, bool) {
        let after = &self.text[path.end..];
        let close = after.find("}}").unwrap_or(0);
        (path.end + close + 2, after[..close].contains('-'))
    }

    fn copy_until(&mut self, end: usize) {
        self.out.push_str(&self.text[self.taken..end]);
        self.taken = end;
    }

    fn insert(&mut self, of: &Range<usize>, formatter: &str, dash_before: bool, dash_after: bool) {
        let start = self.out.len();
        let path = &self.text[of.clone()];
        // A path that begins with a dash is one of a loop's name: nothing stands before it that a dash could trim.
        let dashed = dash_before || path.starts_with('-');
        // The blank keeps `#` and `{` from making a tag of another kind.
        self.out.push_str(if dashed { "{- " } else { "{ " });
        let copy = self.out.len();
        for part in [path, "|", formatter, if dash_after { " -}" } else { "}" }] {
            self.out.push_str(part);
        }
        let range = start..self.out.len();
        let before = self.inserted.last().map_or(0, |last| last.bytes);
        self.inserted.push(Inserted {
            copy,
            of: of.clone(),
            bytes: before + range.len(),
            range,
        });
    }
}

impl Rewritten {
    /// The byte of the author's text that the crate means by a line, counted from 1, and a column in bytes, counted from 0.
    pub(super) fn original(&self, line: usize, column: usize) -> usize {
        let line_start = match line.checked_sub(2) {
            Some(breaks) => memchr::memchr_iter(b'\n', self.text.as_bytes())
                .nth(breaks)
                .map_or(self.text.len(), |at| at + 1),
            None => 0,
        };
        let at = line_start + column;
        let next = self.inserted.partition_point(|inserted| inserted.range.start <= at);
        match next.checked_sub(1).and_then(|last| self.inserted.get(last)) {
            Some(inside) if inside.range.contains(&at) => {
                let within = at.saturating_sub(inside.copy);
                // Past the copy stands the formatter, which is ours: it means the path as a whole.
                inside.of.start + if within < inside.of.len() { within } else { 0 }
            }
            Some(before) => at - before.bytes,
            None => at,
        }
    }

    /// The path, formatter or name of the author's text that has a byte in it.
    pub(super) fn place_of(&self, byte: usize) -> Option<Range<usize>> {
        let next = self.places.partition_point(|place| place.start <= byte);
        let place = self.places.get(next.checked_sub(1)?)?;
        (byte < place.end).then(|| place.clone())
    }
}
