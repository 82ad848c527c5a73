//! Bodies that are forms, coming in and going out.

use http::{HeaderMap, header};

/// Whether a message with these headers has a form for its body.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_known_however_its_type_is_spelt() {
        let is = |value: &str| is_form(&HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]));
        for form in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded ; charset=UTF-8"] {
            assert!(is(form), "{form}");
        }
        for other in ["application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded-not", ""] {
            assert!(!is(other), "{other}");
        }
        assert!(!is_form(&HeaderMap::new()));
    }
}
