//! The views as the core reads them.

use std::cell::RefCell;

use sportello_core::tables::{Rows, Value};
use sportello_views::{Views, ViewsError};

/// Rows of the views for one decision. A failure of the store is remembered and must be asked for before anything is committed.
pub(crate) struct ViewRows<'views> {
    views: &'views Views,
    failure: RefCell<Option<ViewsError>>,
}

impl<'views> ViewRows<'views> {
    pub(crate) fn new(views: &'views Views) -> Self {
        Self { views, failure: RefCell::new(None) }
    }

    /// The first failure, if there was one.
    pub(crate) fn check(&self) -> Result<(), ViewsError> {
        self.failure.borrow_mut().take().map_or(Ok(()), Err)
    }
}

impl Rows for ViewRows<'_> {
    fn row(&self, table: u8, key: &[u8]) -> Option<Value> {
        self.views.get(table, key).unwrap_or_else(|error| {
            self.failure.borrow_mut().get_or_insert(error);
            None
        })
    }
}
