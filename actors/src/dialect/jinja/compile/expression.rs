//! Compilation of expressions to code for a stack of values.

use super::super::ast::{
    Argument, ByteRange, Expr, ExprKind, FilterCall, Literal, Name, Postfix, PostfixKind, TestCall,
};
use super::super::extension::Signature;
use super::super::fault::Fault;
use super::super::filters::Filter;
use super::super::foreign::{filter_help, fmt_help, foreign_arguments, test_help};
use super::super::predicates::Predicate;
use super::super::program::{ArgumentKind, Code, Constant, Instruction, Shape};
use super::super::value::{keyword_help, too_few, too_many};
use super::{Compiler, small};
use crate::dialect::FormatterUse;
use crate::suggestion::suggestion;

/// Filters of Jinja2 and its extensions that this dialect does not have, with what to do instead. The first four are there with the feature
/// `jinja-contrib`.
const MISSING_FILTERS: [(&str, &str); 10] = [
    ("datetimeformat", "build the program with the feature `jinja-contrib`"),
    ("dateformat", "build the program with the feature `jinja-contrib`"),
    ("timeformat", "build the program with the feature `jinja-contrib`"),
    ("wordwrap", "build the program with the feature `jinja-contrib`"),
    ("center", "use CSS, or `format` with a width"),
    ("urlize", "make links in the program"),
    ("xmlattr", "write the attributes out"),
    ("forceescape", "write `| string | escape`"),
    ("fromjson", "read JSON in the program"),
    ("from_json", "read JSON in the program"),
];

impl<'t, 'a> Compiler<'t, 'a> {
    /// Compiles an expression.
    pub(super) fn expression(&mut self, expr: &'a Expr<'t>) -> Code {
        let start = small(self.code.len());
        self.value(expr);
        let end = small(self.code.len());
        Code { start, end }
    }

    fn emit(&mut self, instruction: Instruction, at: ByteRange) -> usize {
        self.code.push(instruction);
        self.places.push(at);
        self.code.len() - 1
    }

    /// Sets the target of a jump to the next instruction.
    fn land(&mut self, jump: usize) {
        let here = small(self.code.len());
        if let Some(
            Instruction::And(to)
            | Instruction::Or(to)
            | Instruction::Unless(to)
            | Instruction::Jump(to)
            | Instruction::CompareNext(_, to),
        ) = self.code.get_mut(jump)
        {
            *to = here;
        }
    }

    fn constant(&mut self, constant: Constant, at: ByteRange) {
        let index = small(self.constants.len());
        self.constants.push(constant);
        self.emit(Instruction::Constant(index), at);
    }

    fn literal(&mut self, literal: &Literal<'t>, at: ByteRange) {
        let constant = match literal {
            Literal::None => Constant::None,
            Literal::Bool(truth) => Constant::Bool(*truth),
            Literal::Int(number) => match i64::try_from(*number) {
                Ok(number) => Constant::Int(number),
                Err(_) => Constant::Wide(*number),
            },
            Literal::Float(number) => Constant::Float(*number),
            Literal::Str(text) => {
                let (start, length) = self.stored(text);
                Constant::Str(start, length)
            }
        };
        self.constant(constant, at);
    }

    fn value(&mut self, expr: &'a Expr<'t>) {
        let at = expr.at;
        if let ExprKind::Not(_) | ExprKind::Negate(_) | ExprKind::Binary(..) = expr.kind
            && let Some(constant) = self.folded(expr)
        {
            return self.constant(constant, at);
        }
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(literal, at),
            ExprKind::Name(_) => {
                if let Some(path) = self.path(expr) {
                    self.emit(Instruction::Path(path), at);
                }
            }
            ExprKind::List(items) => {
                items.iter().for_each(|item| self.value(item));
                self.emit(Instruction::List(small(items.len())), at);
            }
            ExprKind::Tuple(items) => {
                items.iter().for_each(|item| self.value(item));
                self.emit(Instruction::Tuple(small(items.len())), at);
            }
            ExprKind::Map(entries) => {
                for (key, value) in entries {
                    self.value(key);
                    self.value(value);
                }
                self.emit(Instruction::Map(small(entries.len())), at);
            }
            ExprKind::Not(operand) => {
                self.value(operand);
                self.emit(Instruction::Not, at);
            }
            ExprKind::Negate(operand) => {
                self.value(operand);
                self.emit(Instruction::Negate, at);
            }
            ExprKind::Or(operands) => self.short_circuit(operands, Instruction::Or(0)),
            ExprKind::And(operands) => self.short_circuit(operands, Instruction::And(0)),
            ExprKind::Compare(first, rest) => {
                self.value(first);
                let mut jumps = Vec::new();
                for (index, (comparison, operand)) in rest.iter().enumerate() {
                    self.value(operand);
                    if index + 1 < rest.len() {
                        jumps.push(self.emit(Instruction::CompareNext(*comparison, 0), at));
                    } else {
                        self.emit(Instruction::Compare(*comparison), at);
                    }
                }
                jumps.into_iter().for_each(|jump| self.land(jump));
            }
            ExprKind::Binary(first, rest) => {
                self.value(first);
                for (operator, operand) in rest {
                    self.value(operand);
                    self.emit(Instruction::Binary(*operator), first.at.to(operand.at));
                }
            }
            ExprKind::Conditional { arms, otherwise } => {
                let mut ends = Vec::with_capacity(arms.len());
                for arm in arms {
                    self.value(&arm.condition);
                    let test = self.emit(Instruction::Unless(0), arm.condition.at);
                    self.value(&arm.value);
                    ends.push(self.emit(Instruction::Jump(0), at));
                    self.land(test);
                }
                match otherwise {
                    Some(otherwise) => self.value(otherwise),
                    None => {
                        self.emit(Instruction::Silent, at);
                    }
                }
                ends.into_iter().for_each(|end| self.land(end));
            }
            ExprKind::Postfix(base, operations) => match self.path(expr) {
                Some(path) => {
                    self.emit(Instruction::Path(path), at);
                }
                None => self.postfix(base, operations, None),
            },
        }
    }

    fn short_circuit(&mut self, operands: &'a [Expr<'t>], jump: Instruction) {
        let mut jumps = Vec::with_capacity(operands.len());
        for (index, operand) in operands.iter().enumerate() {
            self.value(operand);
            if index + 1 < operands.len() {
                jumps.push(self.emit(jump, operand.at));
            }
        }
        jumps.into_iter().for_each(|jump| self.land(jump));
    }

    /// Makes code of a path.
    pub(super) fn path_code(&mut self, path: u32, at: ByteRange) -> Code {
        let start = small(self.code.len());
        self.emit(Instruction::Path(path), at);
        Code { start, end: start + 1 }
    }

    /// Compiles a name with attributes, such as `page.title`, if an expression is one.
    pub(super) fn path(&mut self, expr: &'a Expr<'t>) -> Option<u32> {
        let (name, attributes) = match &expr.kind {
            ExprKind::Name(name) => (*name, &[][..]),
            ExprKind::Postfix(base, operations) => match base.kind {
                ExprKind::Name(name) => (name, operations.as_slice()),
                _ => return None,
            },
            _ => return None,
        };
        if !attributes
            .iter()
            .all(|each| matches!(each.kind, PostfixKind::Attribute(_)))
        {
            return None;
        }
        let attributes = attributes.iter().filter_map(|each| match &each.kind {
            PostfixKind::Attribute(attribute) => Some(attribute.at),
            _ => None,
        });
        Some(self.path_of(name, attributes))
    }

    /// Compiles the namespace of an assignment to one of its attributes.
    pub(super) fn namespace(&mut self, base: Name<'t>, between: &[Name<'t>]) -> Code {
        let start = small(self.code.len());
        let name = self.name_use(base.text);
        self.emit(Instruction::Path(name), base.at);
        for attribute in between {
            let key = self.key(attribute.at);
            self.emit(Instruction::Attribute(key), base.at.to(attribute.at));
        }
        let end = small(self.code.len());
        Code { start, end }
    }

    /// Compiles a call with the body of a call block as its caller.
    pub(super) fn call_with(&mut self, call: &'a Expr<'t>, caller: u32) -> Code {
        let start = small(self.code.len());
        match &call.kind {
            ExprKind::Postfix(base, operations) => self.postfix(base, operations, Some(caller)),
            _ => self.value(call),
        }
        let end = small(self.code.len());
        Code { start, end }
    }

    /// Compiles a chain of operations; the last call gets a caller, if there is one.
    fn postfix(&mut self, base: &'a Expr<'t>, operations: &'a [Postfix<'t>], caller: Option<u32>) {
        let last = operations.len().saturating_sub(1);
        let caller_of = |index: usize| caller.filter(|_| index == last);
        let mut at = self.head(base, operations, &caller_of);
        while let Some(operation) = operations.get(at) {
            let place = base.at.to(operation.at);
            match &operation.kind {
                PostfixKind::Attribute(name) => {
                    let key = self.key(name.at);
                    match operations.get(at + 1).map(|next| (&next.kind, next.at)) {
                        Some((PostfixKind::Call(arguments), end)) => {
                            at += 1;
                            let shape = self.arguments(arguments, caller_of(at));
                            self.emit(Instruction::Method(key, shape), base.at.to(end));
                        }
                        _ => {
                            self.emit(Instruction::Attribute(key), place);
                        }
                    }
                }
                PostfixKind::Item(item) => match &item.kind {
                    ExprKind::Literal(Literal::Str(name)) => {
                        let key = self.key_of(name);
                        self.emit(Instruction::Attribute(key), place);
                    }
                    _ => {
                        self.value(item);
                        self.emit(Instruction::Item, place);
                    }
                },
                PostfixKind::Slice(slice) => {
                    for bound in [&slice.start, &slice.stop, &slice.step] {
                        match bound {
                            Some(bound) => self.value(bound),
                            None => self.constant(Constant::None, place),
                        }
                    }
                    self.emit(Instruction::Slice, place);
                }
                PostfixKind::Call(arguments) => {
                    let shape = self.arguments(arguments, caller_of(at));
                    self.emit(Instruction::Call(shape), place);
                }
                PostfixKind::Filter(filter) => self.filter(filter, place),
                PostfixKind::Test(test) => self.test(test, place),
            }
            at += 1;
        }
    }

    /// Compiles the beginning of a chain, and returns the number of operations that belong to it.
    fn head(
        &mut self,
        base: &'a Expr<'t>,
        operations: &'a [Postfix<'t>],
        caller_of: &dyn Fn(usize) -> Option<u32>,
    ) -> usize {
        if let (ExprKind::Name("self"), [first, second, ..]) = (&base.kind, operations)
            && let (PostfixKind::Attribute(name), PostfixKind::Call(arguments)) = (&first.kind, &second.kind)
        {
            if !arguments.is_empty() {
                let fault = Fault::new("arguments", second.at, "a block takes no arguments");
                self.fault(fault.help("for something with arguments write a macro"));
            }
            let key = self.key(name.at);
            self.emit(Instruction::Block(key), base.at.to(second.at));
            return 2;
        }
        if let (ExprKind::Name(name), [first, ..]) = (&base.kind, operations)
            && let PostfixKind::Call(arguments) = &first.kind
        {
            let place = base.at.to(first.at);
            if *name == "super" && caller_of(0).is_none() {
                if !arguments.is_empty() {
                    self.fault(Fault::new("arguments", first.at, "`super` takes no arguments"));
                }
                self.emit(Instruction::Super, place);
            } else {
                let shape = self.arguments(arguments, caller_of(0));
                let name = self.name_use(name);
                self.emit(Instruction::CallName(name, shape), place);
            }
            return 1;
        }
        self.value(base);
        0
    }

    /// Compiles the filters of a block, for a value that lies on the stack.
    pub(super) fn filters(&mut self, filters: &'a [FilterCall<'t>]) -> Code {
        let start = small(self.code.len());
        for filter in filters {
            self.filter(filter, filter.name.at);
        }
        let end = small(self.code.len());
        Code { start, end }
    }

    fn filter(&mut self, call: &'a FilterCall<'t>, place: ByteRange) {
        let name: String = call.name.text.split_whitespace().collect();
        let extensions = self.extensions;
        let Some(filter) = extensions.filter(&name) else {
            return self.formatter(call, &name, place);
        };
        match filter {
            Filter::BuiltIn(index) => {
                let definition = Filter::definition(index);
                if let Some(fault) = foreign_arguments(
                    &name,
                    &call.arguments,
                    definition.keywords.unwrap_or_default(),
                    self.source,
                ) {
                    return self.fault(fault);
                }
                let range = (definition.least, definition.most);
                self.check(&name, &call.arguments, range, definition.keywords, call.name.at);
                self.check_names(&name, &call.arguments);
            }
            Filter::Own(index) => {
                if let Some(function) = extensions.own_filter(index) {
                    self.check_own(&function.signature, &call.arguments, call.name.at);
                }
            }
        }
        let shape = self.arguments(&call.arguments, None);
        self.emit(Instruction::Filter(filter, shape), place);
    }

    /// Checks the arguments of a filter or test of the program, as far as they are written out.
    fn check_own(&mut self, signature: &Signature, arguments: &'a [Argument<'t>], at: ByteRange) {
        let before = self.faults.len();
        let (name, keywords) = (signature.name(), signature.keywords());
        self.check(name, arguments, (0, signature.most()), keywords.as_deref(), at);
        let is_open = |each: &Argument<'_>| matches!(each, Argument::Spread(_) | Argument::SpreadNamed(_));
        if self.faults.len() > before || arguments.iter().any(is_open) {
            return;
        }
        let is_positional = |each: &&Argument<'_>| matches!(each, Argument::Positional(_));
        let positional = arguments.iter().filter(is_positional).count();
        let is_named = |name: &str| {
            arguments
                .iter()
                .any(|each| matches!(each, Argument::Named(known, _) if known.text == name))
        };
        if let Some(missing) = signature.missing(positional, is_named) {
            self.fault(Fault::new("arguments", at, signature.lacks(missing)));
        }
    }

    /// Checks the constant names of filters and tests that a filter applies.
    fn check_names(&mut self, filter: &str, arguments: &'a [Argument<'t>]) {
        let index = match filter {
            "map" | "select" | "reject" => 0,
            "selectattr" | "rejectattr" => 1,
            _ => return,
        };
        let Some(Argument::Positional(argument)) = arguments.get(index) else {
            return;
        };
        let ExprKind::Literal(Literal::Str(name)) = &argument.kind else {
            return;
        };
        let extensions = self.extensions;
        let (what, code, near) = match filter {
            "map" if extensions.filter(name).is_none() => {
                ("filter", "unknown-filter", suggestion(name, extensions.filters()))
            }
            "map" => return,
            _ if extensions.test(name).is_none() => ("test", "unknown-test", suggestion(name, extensions.tests())),
            _ => return,
        };
        let fault = Fault::new(code, argument.at, format!("there is no {what} `{name}`"));
        self.fault(match near {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault,
        });
    }

    /// Compiles a filter that is a formatter of the program which embeds the engine. The graph knows which ones there are.
    fn formatter(&mut self, call: &'a FilterCall<'t>, name: &str, place: ByteRange) {
        let at = call.name.at;
        if let Some((_, help)) = MISSING_FILTERS.iter().find(|(known, _)| *known == name) {
            let fault = Fault::new("unknown-filter", at, format!("the filter `{name}` is not supported"));
            return self.fault(fault.help(format!("{help}, or register a filter of that name")));
        }
        if !call.arguments.is_empty() {
            let fault = Fault::new("unknown-filter", at, format!("there is no filter `{name}`"));
            if let ("fmt", [Argument::Positional(format)]) = (name, &*call.arguments)
                && let ExprKind::Literal(Literal::Str(format)) = &format.kind
            {
                return self.fault(fault.help(fmt_help(format)));
            }
            return self.fault(match (suggestion(name, self.extensions.filters()), filter_help(name)) {
                (_, Some(help)) => fault.help(help),
                (Some(near), None) => fault.help(format!("did you mean `{near}`?")),
                (None, None) => fault.help("there are the filters of minijinja, and those that the program registers"),
            });
        }
        let index = small(self.formatters.len());
        let span = self.lines.span(at);
        self.formatters.push(FormatterUse {
            name: name.into(),
            span,
        });
        self.emit(Instruction::Formatter(index), place);
    }

    fn test(&mut self, call: &'a TestCall<'t>, place: ByteRange) {
        let name: String = call.name.text.split_whitespace().collect();
        let extensions = self.extensions;
        let Some(predicate) = extensions.test(&name) else {
            let fault = Fault::new("unknown-test", call.name.at, format!("there is no test `{name}`"));
            return self.fault(match (suggestion(&name, extensions.tests()), test_help(&name)) {
                (_, Some(help)) => fault.help(help),
                (Some(near), None) => fault.help(format!("did you mean `{near}`?")),
                (None, None) => fault,
            });
        };
        match predicate {
            Predicate::BuiltIn(index) => {
                let count = Predicate::definition(index).arguments;
                self.check(&name, &call.arguments, (count, count), Some(&[]), call.name.at);
            }
            Predicate::Own(index) => {
                if let Some(function) = extensions.own_test(index) {
                    self.check_own(&function.signature, &call.arguments, call.name.at);
                }
            }
        }
        let shape = self.arguments(&call.arguments, None);
        self.emit(Instruction::Test(predicate, shape), place);
        if call.negated {
            self.emit(Instruction::Not, place);
        }
    }

    /// Checks the arguments of a filter or test, as far as they are written out.
    fn check(
        &mut self,
        name: &str,
        arguments: &'a [Argument<'t>],
        (least, most): (usize, usize),
        keywords: Option<&[&str]>,
        at: ByteRange,
    ) {
        let is_open = |each: &Argument<'_>| matches!(each, Argument::Spread(_) | Argument::SpreadNamed(_));
        if arguments.iter().any(is_open) {
            return;
        }
        let is_positional = |each: &&Argument<'_>| matches!(each, Argument::Positional(_));
        let positional = arguments.iter().filter(is_positional).count();
        if positional < least {
            self.fault(Fault::new("arguments", at, too_few(name, least)));
        } else if positional > most {
            self.fault(Fault::new("arguments", at, too_many(name, most)));
        }
        let Some(keywords) = keywords else { return };
        for argument in arguments {
            if let Argument::Named(keyword, _) = argument
                && !keywords.contains(&keyword.text)
            {
                let message = format!("`{name}` has no argument `{}`", keyword.text);
                let fault = Fault::new("arguments", keyword.at, message);
                self.fault(match keyword_help(keyword.text, keywords) {
                    Some(help) => fault.help(help),
                    None => fault,
                });
            }
        }
    }

    fn arguments(&mut self, arguments: &'a [Argument<'t>], caller: Option<u32>) -> u32 {
        let mut kinds = Vec::with_capacity(arguments.len());
        for argument in arguments {
            kinds.push(match argument {
                Argument::Positional(value) => {
                    self.value(value);
                    ArgumentKind::Positional
                }
                Argument::Named(name, value) => {
                    self.value(value);
                    ArgumentKind::Named(self.key(name.at))
                }
                Argument::Spread(value) => {
                    self.value(value);
                    ArgumentKind::Spread
                }
                Argument::SpreadNamed(value) => {
                    self.value(value);
                    ArgumentKind::SpreadNamed
                }
            });
        }
        if let Some(index) = caller {
            let place = self.macros.get(index as usize).map(|definition| definition.place);
            self.emit(Instruction::Caller(index), place.unwrap_or_default());
            kinds.push(ArgumentKind::Named(self.key_of("caller")));
        }
        let plain = kinds.iter().all(|kind| *kind == ArgumentKind::Positional);
        let index = small(self.shapes.len());
        self.shapes.push(Shape {
            arguments: kinds.into(),
            plain,
        });
        index
    }
}
