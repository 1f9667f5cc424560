//! The open blocks of a text, and the check that each is closed by its own end.

use std::ops::Range;

use crate::dialect::tiny::foreign::FOR_ELSE;
use crate::dialect::tiny::tag::{Block, Tag, TagError};

/// The open blocks, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: Vec<OpenBlock>,
    loops: usize,
}

/// An open block, with the position of the tag that opened it.
#[derive(Debug)]
struct OpenBlock {
    block: Block,
    has_else: bool,
    tag: Range<usize>,
}

impl Blocks {
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Returns true if a loop of this template is open.
    pub(super) fn in_loop(&self) -> bool {
        self.loops > 0
    }

    /// Returns the innermost open block.
    pub(super) fn innermost(&self) -> Option<Block> {
        self.open.last().map(|open| open.block)
    }

    /// Opens or closes the block of a valid tag.
    pub(super) fn take(&mut self, tag: &Tag, place: Range<usize>) -> Result<(), TagError> {
        match tag {
            Tag::If { .. } => self.push(Block::If, place),
            Tag::For { .. } => self.push(Block::For, place),
            Tag::With { .. } => self.push(Block::With, place),
            Tag::Else => return self.other_branch(place),
            Tag::EndIf => return self.close(Block::If, place),
            Tag::EndFor => return self.close(Block::For, place),
            Tag::EndWith => return self.close(Block::With, place),
            Tag::Value { .. } | Tag::Call { .. } => {}
        }
        Ok(())
    }

    /// Opens or closes the block that an invalid tag was meant to open or close, so that one mistake causes one error.
    pub(super) fn recover(&mut self, fault: &TagError, place: Range<usize>) {
        if let Some(block) = fault.opens() {
            self.push(block, place);
        } else if let Some(block) = fault.closes() {
            let _ = self.close(block, place);
        }
    }

    /// Removes the outermost block that is still open at the end of the text, and returns its error.
    pub(super) fn unclosed(&mut self) -> Option<TagError> {
        if self.open.is_empty() {
            return None;
        }
        let OpenBlock { block, tag, .. } = self.open.remove(0);
        let word = block.word();
        let message = format!("this `{word}` is never closed");
        Some(TagError::new("unclosed-block", tag, message).help(format!("close it with `{{{{ end{word} }}}}`")))
    }

    fn push(&mut self, block: Block, tag: Range<usize>) {
        self.loops += usize::from(block == Block::For);
        self.open.push(OpenBlock {
            block,
            has_else: false,
            tag,
        });
    }

    fn other_branch(&mut self, place: Range<usize>) -> Result<(), TagError> {
        match self.open.last_mut() {
            Some(open) if open.block == Block::If && open.has_else => {
                let message = "this `if` already has an `else`";
                Err(TagError::new("second-else", place, message).help("take one of them out, or nest another `if`"))
            }
            Some(open) if open.block == Block::If => {
                open.has_else = true;
                Ok(())
            }
            Some(open) => {
                let word = open.block.word();
                let message = format!("this `else` is in a `{word}`, which has none");
                let help = match open.block {
                    Block::For => FOR_ELSE.into(),
                    _ => format!("close the `{word}` before it, or open an `if`"),
                };
                Err(TagError::new("unmatched-else", place, message).help(help))
            }
            None => {
                let fault = TagError::new("unmatched-else", place, "this `else` belongs to no `if`");
                Err(fault.help("write `{{ if … }}` before it"))
            }
        }
    }

    fn close(&mut self, block: Block, place: Range<usize>) -> Result<(), TagError> {
        let word = block.word();
        let Some(innermost) = self.innermost() else {
            let message = format!("this `end{word}` closes nothing");
            return Err(
                TagError::new("unmatched-end", place, message).help(format!("write `{{{{ {word} … }}}}` before it"))
            );
        };
        if innermost == block {
            self.open.pop();
            self.loops -= usize::from(block == Block::For);
            return Ok(());
        }
        // All blocks inside the closed block count as closed too, because the rest of the text may be right.
        if let Some(at) = self.open.iter().rposition(|open| open.block == block) {
            let closed = self.open.drain(at..);
            self.loops -= closed.filter(|open| open.block == Block::For).count();
        }
        let inner = innermost.word();
        let message = format!("this `end{word}` comes while the `{inner}` before it is still open");
        Err(TagError::new("unmatched-end", place, message).help(format!("write `{{{{ end{inner} }}}}` before it")))
    }
}
