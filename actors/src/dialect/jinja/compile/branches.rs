//! Conditions and loops, and the shortcuts to the values of paths.

use super::super::ast::{self, Body, Expr, ExprKind};
use super::super::program::{
    Action, Between, Code, Instruction, Lookup, Loop, NO_KEY, NO_REGISTER, Operation, Path, Target,
};
use super::super::value::LoopField;
use super::names::Scope;
use super::{Compiler, Inside, OpenLoop, small};
use crate::dialect::body::BLOCK_BYTES;

/// A shortcut to the value of a path.
pub(super) enum Shortcut {
    None,
    /// A register and the key of an attribute of its value, or [`NO_KEY`].
    Quick(u16, u32),
    /// A field of the variable `loop`, so many scopes around.
    LoopField(u16, LoopField),
}

/// The expression that a loop goes over.
enum Iterable {
    Path(u32),
    Code(Code),
}

impl<'t, 'a> Compiler<'t, 'a> {
    pub(super) fn conditions(&mut self, branches: &'a [ast::Branch<'t>], otherwise: &'a Body<'t>) {
        self.conditional(1);
        let mut ends = Vec::new();
        for (at, branch) in branches.iter().enumerate() {
            let test = self.unless(&branch.condition);
            self.body(&branch.body);
            if at + 1 < branches.len() || !otherwise.is_empty() {
                ends.push(self.push(Action::Jump(0)));
            } else {
                self.flush();
            }
            self.patch(test);
        }
        self.body(otherwise);
        self.flush();
        ends.into_iter().for_each(|end| self.patch(end));
        self.conditional(-1);
    }

    /// Compiles a jump that is taken unless a condition holds.
    pub(super) fn unless(&mut self, condition: &'a Expr<'t>) -> usize {
        let (plain, negated) = match &condition.kind {
            ExprKind::Not(operand) => (&**operand, true),
            _ => (condition, false),
        };
        let act = match self.path(plain) {
            Some(path) => match self.shortcut(path) {
                Shortcut::Quick(register, attribute) => Action::UnlessQuick {
                    register,
                    attribute,
                    path,
                    to: 0,
                    negated,
                },
                Shortcut::LoopField(up, field) => Action::UnlessLoopField {
                    up,
                    field,
                    path,
                    to: 0,
                    negated,
                },
                Shortcut::None => Action::UnlessPath { path, to: 0, negated },
            },
            None => Action::Unless {
                condition: self.expression(condition),
                to: 0,
            },
        };
        self.push(act)
    }

    pub(super) fn for_loop(&mut self, each: &'a ast::For<'t>) {
        let iterable = match self.path(&each.iterable) {
            Some(path) => Iterable::Path(path),
            None => Iterable::Code(self.expression(&each.iterable)),
        };
        let condition = each.condition.as_ref().map(|condition| {
            self.scopes.push(Scope::default());
            self.target(&each.target);
            let code = self.expression(condition);
            self.scopes.pop();
            code
        });
        let index = small(self.loops.len());
        self.loops.push(Loop {
            target: 0,
            single: None,
            register: NO_REGISTER,
            prints: false,
            between: None,
            registers: 0,
            condition,
            recursive: each.recursive,
            body: 0,
            next: 0,
            otherwise: 0,
            end: 0,
            place: each.iterable.at,
        });
        let act = match iterable {
            Iterable::Code(iterable) => Action::For { iterable, index },
            Iterable::Path(path) => match self.shortcut(path) {
                Shortcut::Quick(register, attribute) => Action::ForQuick {
                    register,
                    attribute,
                    path,
                    index,
                },
                _ => Action::For {
                    iterable: self.path_code(path, each.iterable.at),
                    index,
                },
            },
        };
        self.push(act);
        self.scopes.push(Scope::of_loop(each.recursive));
        let target = self.target(&each.target);
        let single = self.single_name(target);
        let register = match single {
            Some(_) => self.item_register(),
            None => NO_REGISTER,
        };
        let body = self.here();
        self.open_loops.push(OpenLoop {
            index,
            inside: Vec::new(),
            continues: Vec::new(),
        });
        self.body(&each.body);
        let continues = self.open_loops.pop().map(|open| open.continues).unwrap_or_default();
        if !continues.is_empty() {
            self.flush();
        }
        let next = self.here();
        continues.into_iter().for_each(|jump| self.patch(jump));
        let body_of = self.operations.get(body as usize..next as usize).unwrap_or_default();
        let prints_item =
            |operation: &Operation| matches!(operation.act, Action::Quick { register: of, .. } if of == register);
        let prints = condition.is_none() && register != NO_REGISTER && body_of.iter().all(prints_item);
        let grows = self.scopes.last().is_none_or(|scope| scope.grows);
        self.push(Action::Next {
            index,
            body,
            register,
            grows,
        });
        self.scopes.pop();
        let between = match self.operations.get(body as usize..=next as usize) {
            Some([print, next]) if prints => self.between(next.lead, print.lead),
            _ => None,
        };
        let jump = (!each.otherwise.is_empty()).then(|| self.push(Action::Jump(0)));
        let otherwise = self.here();
        self.conditional(1);
        self.body(&each.otherwise);
        self.conditional(-1);
        self.flush();
        if let Some(jump) = jump {
            self.patch(jump);
        }
        let end = self.here();
        if let Some(compiled) = self.loops.get_mut(index as usize) {
            compiled.target = target;
            compiled.single = single;
            compiled.register = register;
            compiled.prints = prints;
            compiled.between = between;
            compiled.body = body;
            compiled.next = next;
            compiled.otherwise = otherwise;
            compiled.end = end;
        }
    }

    /// Compiles `break` or `continue`: closes what is open inside of the loop, and jumps.
    pub(super) fn leave(&mut self, ends: bool) {
        let Some(open) = self.open_loops.last() else { return };
        let index = open.index;
        let count = |wanted: Inside| open.inside.iter().filter(|what| **what == wanted).count() as u32;
        let (scopes, escapes) = (count(Inside::Scope), count(Inside::Autoescape));
        // One operation, however deep the nesting is, so that a program is not larger than its text by more than a factor.
        if scopes + escapes > 0 {
            self.push(Action::Leave { scopes, escapes });
        }
        if ends {
            self.push(Action::Break { index });
            return;
        }
        let jump = self.push(Action::Jump(0));
        if let Some(open) = self.open_loops.last_mut() {
            open.continues.push(jump);
        }
    }

    /// Returns the shortcut to the value of a path.
    pub(super) fn shortcut(&self, path: u32) -> Shortcut {
        let Some(path) = self.paths.get(path as usize) else {
            return Shortcut::None;
        };
        let attribute = path.name + 1;
        let of_loop = || self.keys.get(attribute as usize).and_then(|key| key.of_loop);
        match (path.lookup, path.attributes) {
            (Lookup::Register(register), 0) => Shortcut::Quick(register, NO_KEY),
            (Lookup::Register(register), 1) => Shortcut::Quick(register, attribute),
            (Lookup::Slot { up, slot: 0 }, 1) => match of_loop() {
                Some(field) => Shortcut::LoopField(up, field),
                None => Shortcut::None,
            },
            _ => Shortcut::None,
        }
    }

    /// Returns two parts of the text, one behind the other, if they are short.
    pub(super) fn between(&self, first: (u32, u32), second: (u32, u32)) -> Option<Between> {
        let part = |(start, length): (u32, u32)| self.text.as_bytes().get(start as usize..(start + length) as usize);
        let both = [part(first)?, part(second)?].concat();
        let mut block = [0; BLOCK_BYTES];
        block.get_mut(..both.len())?.copy_from_slice(&both);
        Some(Between {
            block,
            length: small(both.len()),
        })
    }

    /// Returns the key of the target of a loop that is a single name. It has its place behind the variable `loop`, unless it replaces that.
    pub(super) fn single_name(&self, target: u32) -> Option<u32> {
        let Some(Target::Name(key)) = self.targets.get(target as usize) else {
            return None;
        };
        let range = self.keys.get(*key as usize)?.range();
        (self.text.get(range) != Some("loop")).then_some(*key)
    }
}

/// Returns true if a program sets nothing, calls nothing and has no blocks.
pub(super) fn is_leaf(operations: &[Operation], code: &[Instruction]) -> bool {
    let is_plain = |operation: &Operation| {
        matches!(
            operation.act,
            Action::None
                | Action::Path(_)
                | Action::Quick { .. }
                | Action::LoopField { .. }
                | Action::Output(_)
                | Action::Joined { .. }
                | Action::Unless { .. }
                | Action::UnlessPath { .. }
                | Action::UnlessQuick { .. }
                | Action::UnlessLoopField { .. }
                | Action::Jump(_)
                | Action::For { .. }
                | Action::ForQuick { .. }
                | Action::Next { .. }
                | Action::Break { .. }
        )
    };
    let calls = |instruction: &Instruction| {
        matches!(
            instruction,
            Instruction::CallName(..)
                | Instruction::Call(_)
                | Instruction::Method(..)
                | Instruction::Super
                | Instruction::Block(_)
                | Instruction::Caller(_)
        )
    };
    operations.iter().all(is_plain) && !code.iter().any(calls)
}

/// Returns the register that most paths of a leaf begin with, and the key of its name, among the names from outside.
pub(super) fn subject(paths: &[Path], loops: &[Loop]) -> Option<(u16, u32)> {
    let mut uses: Vec<(u16, u32, usize)> = Vec::new();
    for path in paths {
        let Lookup::Register(register) = path.lookup else {
            continue;
        };
        match uses.iter_mut().find(|(known, _, _)| *known == register) {
            Some((_, _, count)) => *count += 1,
            None => uses.push((register, path.name, 1)),
        }
    }
    uses.retain(|(register, _, _)| loops.iter().all(|each| each.register != *register));
    let most = uses.into_iter().max_by_key(|(_, _, count)| *count);
    most.map(|(register, name, _)| (register, name))
}
