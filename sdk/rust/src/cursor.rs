//! A cursor in a shape of the connector's own, as JSON. The host keeps it as it is, at most 16 KiB of it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Reads a cursor.
///
/// # Errors
/// [`Error::reject`] where it is of another shape: keep reading what earlier versions of yours wrote.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::reject(format!("the cursor is not this connector's: {error}")))
}

/// Writes a cursor.
///
/// # Errors
/// [`Error::reject`] where its shape is none of JSON's.
pub fn written<T: Serialize + ?Sized>(cursor: &T) -> Result<String, Error> {
    serde_json::to_string(cursor).map_err(|error| Error::reject(format!("the cursor can't be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_one_of_another_shape_is_refused() {
        let text = written(&(7, Some("page"))).unwrap();
        assert_eq!(read::<(u64, Option<String>)>(&text).unwrap(), (7, Some("page".to_owned())));
        for other in ["", "7", r#"{"from":7}"#] {
            let error = read::<(u64, Option<String>)>(other).unwrap_err();
            assert!(matches!(&error, Error::Reject(reason) if reason.contains("not this connector's")), "{other}: {error:?}");
        }
    }
}
