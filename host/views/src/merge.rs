//! Rows of overlay and store in one order, the overlay's content of a row before the store's.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use crate::engine::Engine;
use crate::error::ViewsError;
use crate::row::{Content, Direction, Place, Span};

/// Shows the rows of a span to `visit`, in order, until it breaks. `newer` holds the overlay's rows in the same order.
pub(crate) fn merged(
    newer: Vec<(Place, Content)>,
    engine: &Engine,
    span: &Span,
    direction: Direction,
    mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), ViewsError> {
    let mut newer = newer.into_iter().peekable();
    let mut flow = ControlFlow::Continue(());
    engine.walk(span, direction, |place, value| {
        while let Some((newer_place, content)) = newer.peek() {
            let order = match direction {
                Direction::Forward => newer_place.as_slice().cmp(place),
                Direction::Backward => place.cmp(newer_place.as_slice()),
            };
            if order == Ordering::Greater {
                break;
            }
            if let Some(content) = content {
                flow = visit(newer_place, content);
            }
            newer.next();
            if flow.is_break() || order == Ordering::Equal {
                return flow;
            }
        }
        flow = visit(place, value);
        flow
    })?;
    for (place, content) in newer {
        if flow.is_break() {
            break;
        }
        if let Some(content) = content {
            flow = visit(&place, &content);
        }
    }
    Ok(())
}
