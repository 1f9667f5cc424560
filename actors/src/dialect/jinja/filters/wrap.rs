//! Texts in lines of a width, as minijinja-contrib wraps them.

use textwrap::{Options, WordSplitter, wrap};

use super::{Arguments, Machine, Outcome, Val};

/// The memory of the words of a line, for each byte of it: a word has two bytes with its blank.
const WORK_BYTES: usize = 64;

pub(super) fn wordwrap<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    let text = machine.text(value)?;
    let width = arguments.count(0, "width")?.unwrap_or(79);
    let breaks_words = arguments.truth(1, "break_long_words")?.unwrap_or(true);
    let line_end = arguments.text(2, "wrapstring")?.unwrap_or("\n");
    let splitter = match arguments.truth(3, "break_on_hyphens")?.unwrap_or(true) {
        true => WordSplitter::HyphenSplitter,
        false => WordSplitter::NoHyphenation,
    };
    let options = Options::new(width).word_splitter(splitter).break_words(breaks_words);
    if text.trim().is_empty() {
        return Ok(Val::Str(""));
    }
    let mut wrapped = machine.space.writer();
    for (at, paragraph) in text.lines().enumerate() {
        if at > 0 {
            wrapped.push(line_end)?;
        }
        machine.items(1 + paragraph.len())?;
        machine.space.fits(paragraph.len().saturating_mul(WORK_BYTES))?;
        if paragraph.trim().is_empty() {
            continue;
        }
        for (at, line) in wrap(paragraph, &options).iter().enumerate() {
            if at > 0 {
                wrapped.push(line_end)?;
            }
            wrapped.push(line)?;
        }
    }
    Ok(Val::Str(wrapped.finish()))
}
