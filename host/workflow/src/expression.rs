//! CEL expressions: parsed under limits, and checked for names they cannot mean.
//!
//! What is allowed is small on purpose: the facts, literals, operators, the macros `has`, `all`, `exists`, `exists_one`, `map`, `filter`, and
//! [`FUNCTIONS`]. Each of them has a known cost (see `cost.rs`), which is what lets an evaluation be refused before it begins.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::parser::Parser;

use crate::definition::nearest;
use crate::facts::{NAMES, fields_of};
use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX};

/// Functions an expression can call.
pub(crate) const FUNCTIONS: [&str; 11] =
    ["size", "contains", "startsWith", "endsWith", "matches", "lower", "string", "int", "double", "bool", "type"];

/// Bytes of a regular expression.
pub(crate) const PATTERN_BYTES_MAX: usize = 256;

/// Parses an expression and checks it.
///
/// # Errors
/// Sentences saying what is wrong, in the order of the text.
pub(crate) fn parse(source: &str) -> Result<IdedExpr, Vec<String>> {
    if source.trim().is_empty() {
        return Err(vec!["the expression is empty".to_owned()]);
    }
    if source.len() > EXPRESSION_BYTES_MAX {
        return Err(vec![format!("the expression is {} bytes long; at most {EXPRESSION_BYTES_MAX} are taken", source.len())]);
    }
    let depth = u16::try_from(EXPRESSION_DEPTH_MAX).unwrap_or(u16::MAX);
    let expression = Parser::new().max_recursion_depth(depth).parse(source).map_err(|errors| {
        errors.errors.iter().map(|error| format!("at character {}: {}", error.pos.1, plain(&error.msg))).collect::<Vec<_>>()
    })?;
    let mut check = Check { scope: Vec::new(), problems: Vec::new() };
    check.expression(&expression, 0);
    if check.problems.is_empty() { Ok(expression) } else { Err(check.problems) }
}

/// The parser's words without what is only of use to its makers.
fn plain(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    if message.contains("'<EOF>'") {
        return "something is missing at the end".to_owned();
    }
    message.split(" expecting ").next().unwrap_or(message).to_owned()
}

struct Check<'source> {
    /// Variables of macros.
    scope: Vec<&'source str>,
    problems: Vec<String>,
}

impl<'source> Check<'source> {
    fn expression(&mut self, expression: &'source IdedExpr, depth: usize) {
        if depth > EXPRESSION_DEPTH_MAX {
            let problem = format!("the expression is nested more than {EXPRESSION_DEPTH_MAX} deep; use two conditions");
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
            return;
        }
        let depth = depth + 1;
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => {
                if let Expr::Ident(part) = &select.operand.expr
                    && !self.scope.contains(&part.as_str())
                    && let Some(fields) = fields_of(part)
                {
                    if !fields.contains(&select.field.as_str()) {
                        self.problems.push(format!(
                            "{part} has no {:?}{}; it has: {}",
                            select.field,
                            nearest(&select.field, fields.iter().copied()),
                            fields.join(", ")
                        ));
                    }
                } else {
                    self.expression(&select.operand, depth);
                }
            }
            Expr::Call(call) => self.call(call, depth),
            Expr::List(list) => list.elements.iter().for_each(|element| self.expression(element, depth)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expression(&entry.key, depth);
                        self.expression(&entry.value, depth);
                    }
                }
            }
            Expr::Struct(_) => self.problems.push("an expression cannot make messages".to_owned()),
            Expr::Comprehension(comprehension) => {
                self.expression(&comprehension.iter_range, depth);
                self.expression(&comprehension.accu_init, depth);
                let outside = self.scope.len();
                self.scope.extend([comprehension.iter_var.as_str(), comprehension.accu_var.as_str()]);
                self.scope.extend(comprehension.iter_var2.as_deref());
                self.expression(&comprehension.loop_cond, depth);
                self.expression(&comprehension.loop_step, depth);
                self.expression(&comprehension.result, depth);
                self.scope.truncate(outside);
            }
        }
    }

    fn name(&mut self, name: &'source str) {
        if self.scope.contains(&name) || fields_of(name).is_some() {
            return;
        }
        let parts = NAMES.iter().map(|(part, _)| *part);
        let list: Vec<&str> = parts.clone().collect();
        self.problems.push(format!("there is no {name:?}{}; there is: {}", nearest(name, parts), list.join(", ")));
    }

    fn call(&mut self, call: &'source CallExpr, depth: usize) {
        let name = call.func_name.as_str();
        // Operators contain what no name can.
        let is_operator = name.contains(['_', '@', '!']) && !name.chars().next().is_some_and(char::is_alphabetic);
        if !is_operator && !FUNCTIONS.contains(&name) {
            self.problems.push(format!(
                "there is no function {name:?}{}; there is: {}",
                nearest(name, FUNCTIONS.iter().copied()),
                FUNCTIONS.join(", ")
            ));
        }
        if name == "matches" {
            match call.args.last().map(|pattern| &pattern.expr) {
                Some(Expr::Literal(LiteralValue::String(pattern))) if pattern.inner().len() <= PATTERN_BYTES_MAX => {}
                _ => {
                    self.problems.push(format!("matches() takes a text of at most {PATTERN_BYTES_MAX} bytes, written out, as its pattern"))
                }
            }
        }
        if let Some(target) = &call.target {
            self.expression(target, depth);
        }
        call.args.iter().for_each(|argument| self.expression(argument, depth));
    }
}
