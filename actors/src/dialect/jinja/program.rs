//! The program that a text is compiled to.
//!
//! Statements are a flat list of operations with jumps; each has the text before it. An expression is code for a stack of values, in a list
//! of its own. Names, attributes and strings are ranges of the text of the unit, behind which strings with escape sequences are stored.

use std::sync::atomic::AtomicU32;

use super::ast::{ByteRange, Comparison, Operator};
use super::filters::Filter;
use super::predicates::Predicate;
use super::value::LoopField;
use crate::dialect::body::BLOCK_BYTES;
use crate::value::KeyWords;

/// The resolved program of a text.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) operations: Box<[Operation]>,
    /// The end of the operations of the template itself; those of blocks and macros follow.
    pub(super) top: u32,
    /// The number of registers of the template itself.
    pub(super) registers: u16,
    /// The program sets nothing, calls nothing and has no blocks, so that including it changes nothing of the state of a run.
    pub(super) is_leaf: bool,
    /// The name from outside that most paths of a leaf begin with: its register and its key.
    pub(super) subject: Option<(u16, u32)>,
    pub(super) code: Box<[Instruction]>,
    /// The range of the text that each instruction stands for.
    pub(super) places: Box<[ByteRange]>,
    pub(super) keys: Box<[Key]>,
    pub(super) paths: Box<[Path]>,
    pub(super) constants: Box<[Constant]>,
    pub(super) shapes: Box<[Shape]>,
    pub(super) targets: Box<[Target]>,
    pub(super) loops: Box<[Loop]>,
    pub(super) blocks: Box<[Block]>,
    pub(super) macros: Box<[MacroDefinition]>,
    pub(super) templates: Box<[TemplateUse]>,
    /// The names of each `from … import`.
    pub(super) imports: Box<[Box<[Imported]>]>,
}

impl Program {
    /// Returns a path with the key of its name and those of its attributes.
    #[inline(always)]
    pub(super) fn path(&self, path: u32) -> Option<(&Path, &Key, &[Key])> {
        let path = self.paths.get(path as usize)?;
        let (name, behind) = self.keys.get(path.name as usize..)?.split_first()?;
        Some((path, name, behind.get(..path.attributes as usize)?))
    }
}

/// An operation together with the text before it.
#[derive(Debug)]
pub(super) struct Operation {
    /// The range of the text that is printed first: start and length.
    pub(super) lead: (u32, u32),
    pub(super) act: Action,
}

/// In place of a key, that there is none.
pub(super) const NO_KEY: u32 = u32::MAX;

/// In place of a register, that there is none.
pub(super) const NO_REGISTER: u16 = u16::MAX;

/// The code of an expression, as a range of the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The action of an operation. Jump targets are positions in the list of operations.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    /// Does nothing after printing the text.
    None,
    /// Prints a name with attributes: a path.
    Path(u32),
    /// Prints a path with at most one attribute that begins with a register.
    Quick {
        register: u16,
        /// The key of the attribute, or [`NO_KEY`].
        attribute: u32,
        path: u32,
    },
    /// Prints the value of an expression.
    Output(Code),
    /// Prints a value that is joined of parts, and jumps, where the parts cannot be printed one after the other by the operations behind this one:
    /// where the page is escaped as JSON.
    Joined {
        code: Code,
        to: u32,
    },
    /// Jumps unless an expression is true.
    Unless {
        condition: Code,
        to: u32,
    },
    /// Jumps unless a path is true, or unless it is false if that is `negated`.
    UnlessPath {
        path: u32,
        to: u32,
        negated: bool,
    },
    /// Jumps like [`UnlessPath`](Self::UnlessPath), for a path with at most one attribute that begins with a register.
    UnlessQuick {
        register: u16,
        attribute: u32,
        path: u32,
        to: u32,
        negated: bool,
    },
    /// Prints a field of the variable `loop` of a scope, which is so many scopes around the innermost one.
    LoopField {
        up: u16,
        field: LoopField,
        path: u32,
    },
    UnlessLoopField {
        up: u16,
        field: LoopField,
        path: u32,
        to: u32,
        negated: bool,
    },
    Jump(u32),
    /// Begins a loop; jumps to its end if there are no items.
    For {
        iterable: Code,
        index: u32,
    },
    /// Begins a loop over a path with at most one attribute that begins with a register.
    ForQuick {
        register: u16,
        attribute: u32,
        path: u32,
        index: u32,
    },
    /// Goes to the next item of a loop and back to its body, if there is one.
    Next {
        index: u32,
        body: u32,
        /// The register of the item, or [`NO_REGISTER`].
        register: u16,
        /// The scope may have more variables than the item and `loop`, or macros share them.
        grows: bool,
    },
    /// Ends a loop early.
    Break {
        index: u32,
    },
    /// Opens a scope.
    Open,
    /// Closes a scope.
    Close,
    /// Closes scopes and restores the escaping around blocks, on the way out of them.
    Leave {
        scopes: u32,
        escapes: u32,
    },
    /// Assigns the value of an expression.
    Set {
        value: Code,
        target: u32,
    },
    /// Begins to keep the output as a value.
    Capture,
    /// Assigns what was kept, through the filters of the code.
    SetCaptured {
        filters: Code,
        target: u32,
    },
    /// Prints what was kept, through the filters of the code.
    PrintCaptured {
        filters: Code,
    },
    /// Changes the escaping.
    Autoescape(Code),
    /// Restores the escaping.
    EndAutoescape,
    /// Renders the block whose name is a key, the newest one of that name.
    Block(u32),
    /// Makes the rest of this template define blocks of another one.
    Extends {
        template: u32,
    },
    Include {
        template: u32,
    },
    Import {
        template: u32,
        target: u32,
    },
    FromImport {
        template: u32,
        names: u32,
    },
    /// Defines a macro.
    Macro {
        index: u32,
        target: u32,
    },
    /// Evaluates an expression for what it does.
    Do(Code),
}

/// A name with attributes, or without: their keys lie one behind the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) lookup: Lookup,
    /// The key of the name.
    pub(super) name: u32,
    /// The number of attributes.
    pub(super) attributes: u32,
}

/// A name or an attribute.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) start: u32,
    pub(super) length: u32,
    pub(super) words: KeyWords,
    /// The position of the key in the last object.
    pub(super) hint: AtomicU32,
    /// The meaning of the key as an attribute of a loop.
    pub(super) of_loop: Option<LoopField>,
}

impl Key {
    /// Returns the place in the text of the program.
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..(self.start + self.length) as usize
    }
}

/// The place where a name is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// In a register: an item of a loop; or, if that is empty, outside of this body.
    Register(u16),
    /// In a slot of an open scope of the same body.
    Slot { up: u16, slot: u16 },
    /// Outside of this body: a variable of a caller, a field of the context, or a function.
    Outer,
    /// Anywhere.
    Dynamic,
}

/// A constant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Constant {
    None,
    Bool(bool),
    Int(i64),
    Wide(u128),
    Float(f64),
    /// A range of the text: start and length.
    Str(u32, u32),
}

/// An instruction for the stack of values. Jump targets are positions in the list of instructions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Instruction {
    Constant(u32),
    /// A name with attributes.
    Path(u32),
    Attribute(u32),
    Item,
    Slice,
    Not,
    Negate,
    Binary(Operator),
    /// Compares two values.
    Compare(Comparison),
    /// Compares two values. If that holds, only the right one stays, to be compared next; otherwise only false, with a jump.
    CompareNext(Comparison, u32),
    /// Jumps with the value if it is false, and drops it otherwise.
    And(u32),
    /// Jumps with the value if it is true, and drops it otherwise.
    Or(u32),
    /// Drops a value and jumps if it is false.
    Unless(u32),
    Jump(u32),
    /// The value of a condition without `else`.
    Silent,
    List(u32),
    Tuple(u32),
    Map(u32),
    Filter(Filter, u32),
    /// A formatter of the program that embeds the engine.
    Formatter(u32),
    Test(Predicate, u32),
    /// Calls the value below the arguments.
    Call(u32),
    /// Calls what the name of a path stands for.
    CallName(u32, u32),
    /// Calls a method of the value below the arguments.
    Method(u32, u32),
    Super,
    /// Renders the block whose name is a key as a value.
    Block(u32),
    /// The body of a call block as a macro.
    Caller(u32),
}

/// The arguments of a call as they lie on the stack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Shape {
    pub(super) arguments: Box<[ArgumentKind]>,
    /// All arguments are positional.
    pub(super) plain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArgumentKind {
    Positional,
    /// A key that is the name.
    Named(u32),
    Spread,
    SpreadNamed,
}

/// The left side of an assignment.
#[derive(Debug)]
pub(super) enum Target {
    Name(u32),
    /// The attribute of a namespace, which the code finds.
    Attribute {
        namespace: Code,
        key: u32,
        place: ByteRange,
    },
    Tuple(Box<[Target]>, ByteRange),
}

/// A loop.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) target: u32,
    /// The key of the target, if it is a single name, whose place is behind the variable `loop`.
    pub(super) single: Option<u32>,
    /// The register of the item, if the target is a single name.
    pub(super) register: u16,
    /// The body does nothing but print the item and its attributes.
    pub(super) prints: bool,
    /// The text between two items, if the body prints one value of each.
    pub(super) between: Option<Between>,
    /// The number of registers of the body that the loop belongs to.
    pub(super) registers: u16,
    /// The condition of `for … if`, with the code of a scope that has only the target.
    pub(super) condition: Option<Code>,
    pub(super) recursive: bool,
    /// The first operation of the body.
    pub(super) body: u32,
    /// The operation that goes to the next item.
    pub(super) next: u32,
    /// The first operation of `else`.
    pub(super) otherwise: u32,
    /// The first operation behind the loop.
    pub(super) end: u32,
    /// The expression that is iterated over.
    pub(super) place: ByteRange,
}

/// A short text, ready to be copied as a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Between {
    pub(super) block: [u8; BLOCK_BYTES],
    pub(super) length: u32,
}

/// A block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: u32,
    pub(super) required: bool,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The number of its registers.
    pub(super) registers: u16,
    pub(super) place: ByteRange,
}

/// A macro.
#[derive(Debug)]
pub(super) struct MacroDefinition {
    pub(super) name: u32,
    pub(super) parameters: Box<[Parameter]>,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The number of its registers.
    pub(super) registers: u16,
    /// The keys of the names that the body takes from around it.
    pub(super) free: Box<[u32]>,
    /// The body uses `caller`.
    pub(super) caller: bool,
    /// The macro in which this one is defined.
    pub(super) around: Option<u32>,
    pub(super) place: ByteRange,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: u32,
    pub(super) default: Option<Code>,
}

/// A name that is imported: its key, and the target that it is assigned to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Imported {
    pub(super) name: u32,
    pub(super) target: u32,
}

/// A use of another template.
#[derive(Debug)]
pub(super) struct TemplateUse {
    /// The call, if the name is a constant.
    pub(super) call: Option<u32>,
    /// The expression of the name, if it is not.
    pub(super) name: Option<Code>,
    pub(super) ignore_missing: bool,
    pub(super) place: ByteRange,
}

const _: () = assert!(size_of::<Operation>() == 24 && size_of::<Key>() == 40 && size_of::<Instruction>() <= 16);
