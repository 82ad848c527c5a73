//! What an evaluation can cost at most, known before it begins.
//!
//! The interpreter has no meter of its own, so it is not started on anything that could run away. Walking the expression once, each node's
//! value is bounded in size (bytes and items, everything within included) and in cost (bytes and items touched) from the bounds of its parts.
//! All operators and functions that are let in are linear in their operands, save a regular expression (text × pattern, and building it);
//! a macro goes over its range once and adds to what it gathers, so what it does to one item is counted as often as there can be items.
//! The sizes of the facts are the real ones, so the bound is near the truth for anything one would write.
//!
//! ```text
//! [t].map(a, a + a).map(b, b + b) …   each stage twice as large: refused at the stage that passes the limit, having built nothing
//! ```

use cel::Value;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use crate::limits::{EVALUATION_COST_MAX, EVALUATION_SIZE_MAX};

/// What building a regular expression costs at least.
const PATTERN_COST: u64 = 50_000;

/// Bounds of one node.
#[derive(Clone, Copy)]
struct Bound {
    /// Bytes and items of its value, everything within included.
    size: u64,
    /// Items of its value, where it is a list or map. Each counts for at least 16 in `size`.
    items: u64,
    /// Bytes and items touched to come to it.
    cost: u64,
}

impl Bound {
    fn scalar(cost: u64) -> Self {
        Self { size: 16, items: 0, cost }
    }
}

/// The evaluation would cost too much, or come to something too large.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooCostly;

/// Bounds the cost of evaluating an expression over the given facts.
///
/// # Errors
/// [`TooCostly`].
pub(crate) fn estimate(expression: &IdedExpr, facts: &[(&'static str, Value)]) -> Result<u64, TooCostly> {
    Estimate { facts, scope: Vec::new() }.bound(expression).map(|bound| bound.cost)
}

struct Estimate<'a> {
    facts: &'a [(&'static str, Value)],
    scope: Vec<(&'a str, Bound)>,
}

impl<'a> Estimate<'a> {
    fn bound(&mut self, expression: &'a IdedExpr) -> Result<Bound, TooCostly> {
        let bound = match &expression.expr {
            Expr::Unspecified | Expr::Struct(_) => Bound::scalar(1),
            Expr::Literal(LiteralValue::String(text)) => Bound { size: 16 + length(text.inner().len()), items: 0, cost: 1 },
            Expr::Literal(LiteralValue::Bytes(bytes)) => Bound { size: 16 + length(bytes.inner().len()), items: 0, cost: 1 },
            Expr::Literal(_) => Bound::scalar(1),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => match (&select.operand.expr, select.test) {
                (Expr::Ident(part), false) if !self.scope.iter().any(|(name, _)| name == part) => self.fact(part, &select.field),
                _ => {
                    let operand = self.bound(&select.operand)?;
                    if select.test {
                        Bound::scalar(operand.cost + 1)
                    } else {
                        Bound { items: operand.size / 16, cost: operand.cost + 1, ..operand }
                    }
                }
            },
            Expr::Call(call) => self.call(call)?,
            Expr::List(list) => {
                let mut sum = Bound { size: 16, items: length(list.elements.len()), cost: 1 };
                for element in &list.elements {
                    let element = self.bound(element)?;
                    sum.size = sum.size.saturating_add(element.size);
                    sum.cost = sum.cost.saturating_add(element.cost).saturating_add(element.size);
                }
                sum
            }
            Expr::Map(map) => {
                let mut sum = Bound { size: 16, items: length(map.entries.len()), cost: 1 };
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    for part in [self.bound(&entry.key)?, self.bound(&entry.value)?] {
                        sum.size = sum.size.saturating_add(part.size);
                        sum.cost = sum.cost.saturating_add(part.cost).saturating_add(part.size);
                    }
                }
                sum
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension)?,
        };
        if bound.cost > EVALUATION_COST_MAX || bound.size > EVALUATION_SIZE_MAX { Err(TooCostly) } else { Ok(bound) }
    }

    fn variable(&self, name: &str) -> Bound {
        if let Some((_, bound)) = self.scope.iter().rev().find(|(scoped, _)| *scoped == name) {
            return Bound { cost: 1, ..*bound };
        }
        let value = self.facts.iter().find(|(part, _)| *part == name).map(|(_, value)| value);
        value.map_or(Bound::scalar(1), |value| Bound { size: size_of(value), items: items_of(value), cost: 1 })
    }

    fn fact(&self, part: &str, field: &str) -> Bound {
        let value = self.facts.iter().find(|(name, _)| *name == part).map(|(_, value)| value);
        match value {
            Some(Value::Map(map)) => {
                let field = map.map.iter().find(|(key, _)| key.to_string() == field).map(|(_, value)| value);
                field.map_or(Bound::scalar(2), |value| Bound { size: size_of(value), items: items_of(value), cost: 2 })
            }
            _ => Bound::scalar(2),
        }
    }

    fn call(&mut self, call: &'a CallExpr) -> Result<Bound, TooCostly> {
        let mut operands = Vec::with_capacity(call.args.len() + 1);
        for operand in call.target.as_deref().into_iter().chain(&call.args) {
            operands.push(self.bound(operand)?);
        }
        let sizes = operands.iter().fold(0, |sum: u64, operand| sum.saturating_add(operand.size));
        let items = operands.iter().fold(0, |sum: u64, operand| sum.saturating_add(operand.items));
        let costs = operands.iter().fold(1, |sum: u64, operand| sum.saturating_add(operand.cost));
        let touched = costs.saturating_add(sizes);
        let largest = operands.iter().map(|operand| operand.size).max().unwrap_or(16);
        Ok(match call.func_name.as_str() {
            "_+_" => Bound { size: sizes, items, cost: touched },
            "_?_:_" | "_[_]" => Bound { size: largest, items: largest / 16, cost: touched },
            // A lower-case letter can take three times the bytes.
            "lower" => Bound { size: sizes.saturating_mul(3), items: 0, cost: touched.saturating_mul(3) },
            "string" => Bound { size: sizes.saturating_add(32), items: 0, cost: touched },
            "matches" => {
                let text = operands.first().map_or(0, |operand| operand.size);
                let pattern = operands.last().map_or(0, |operand| operand.size);
                Bound::scalar(costs.saturating_add(PATTERN_COST).saturating_add(text.saturating_mul(pattern)))
            }
            // Comparisons, logic, arithmetic and everything else that comes to something small.
            _ => Bound::scalar(touched),
        })
    }

    fn comprehension(&mut self, comprehension: &'a ComprehensionExpr) -> Result<Bound, TooCostly> {
        let range = self.bound(&comprehension.iter_range)?;
        let init = self.bound(&comprehension.accu_init)?;
        let outside = self.scope.len();
        // One item is no larger than all of them, and may be a list itself.
        let item = Bound { size: range.size, items: range.size / 16, cost: 1 };
        self.scope.push((&comprehension.iter_var, item));
        if let Some(second) = &comprehension.iter_var2 {
            self.scope.push((second, item));
        }
        // What is gathered grows by what one step makes of nothing.
        self.scope.push((&comprehension.accu_var, Bound { size: 0, items: 0, cost: 1 }));
        let grows = self.bound(&comprehension.loop_step)?;
        let gathered = Bound {
            size: init.size.saturating_add(grows.size.saturating_mul(range.items)),
            items: init.items.saturating_add(grows.items.saturating_mul(range.items)),
            cost: 1,
        };
        if let Some((_, accumulator)) = self.scope.last_mut() {
            *accumulator = gathered;
        }
        let step = self.bound(&comprehension.loop_step)?;
        let condition = self.bound(&comprehension.loop_cond)?;
        let result = self.bound(&comprehension.result)?;
        self.scope.truncate(outside);
        let turns = range.items.saturating_mul(step.cost.saturating_add(condition.cost).saturating_add(2));
        let cost = range.cost.saturating_add(init.cost).saturating_add(turns).saturating_add(result.cost);
        Ok(Bound { size: result.size.max(gathered.size), items: result.items.max(gathered.items), cost })
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn size_of(value: &Value) -> u64 {
    match value {
        Value::String(text) => 16 + length(text.len()),
        Value::List(items) => items.iter().fold(16, |sum: u64, item| sum.saturating_add(size_of(item))),
        Value::Map(map) => map.map.values().fold(16, |sum: u64, item| sum.saturating_add(64).saturating_add(size_of(item))),
        _ => 16,
    }
}

fn items_of(value: &Value) -> u64 {
    match value {
        Value::List(items) => length(items.len()),
        Value::Map(map) => length(map.map.len()),
        _ => 0,
    }
}
