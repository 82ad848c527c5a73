//! An HTTP origin: scheme, host and port, the unit in which hosts are declared, granted and refused.
//!
//! Two origins are the same when all three are equal. The host is compared in lower case and otherwise literally: `example.com` and
//! `example.com.` are different hosts, and an IP literal is only itself. There are no wildcards.

use std::fmt;

use http::Uri;
use http::uri::Scheme;

/// Scheme, host and port of an absolute URL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    secure: bool,
    /// In lower case, an IPv6 literal with its brackets.
    host: String,
    port: u16,
}

/// Why a text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an HTTP origin: {reason}; write for example https://api.example.com or http://127.0.0.1:8080")]
pub struct OriginError {
    /// The text as given, without what stood in front of an `@`.
    text: String,
    reason: &'static str,
}

impl Origin {
    /// Reads an origin and nothing else: `https://api.example.com`, with a port if it is not the scheme's own. A path, a query, a user or a
    /// wildcard are errors. One `/` at the end is forgiven.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let uri = Self::absolute(text)?;
        let beyond_origin = uri.query().is_some() || !matches!(uri.path(), "" | "/");
        if beyond_origin {
            return Err(OriginError::new(text, "it has a path or a query"));
        }
        Self::of(&uri).map_err(|reason| OriginError::new(text, reason))
    }

    /// The origin of an absolute URL, which may have a path: what an operator writes into a setting such as `/base-url`.
    pub fn of_url(text: &str) -> Result<Self, OriginError> {
        let uri = Self::absolute(text)?;
        Self::of(&uri).map_err(|reason| OriginError::new(text, reason))
    }

    fn absolute(text: &str) -> Result<Uri, OriginError> {
        text.parse().map_err(|_| OriginError::new(text, "it cannot be read as a URL"))
    }

    /// The origin of a request.
    pub(super) fn of(uri: &Uri) -> Result<Self, &'static str> {
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(_) => return Err("its scheme is neither https nor http"),
            None => return Err("it has no scheme"),
        };
        let authority = uri.authority().ok_or("it has no host")?;
        if authority.as_str().contains('@') {
            return Err("it names a user");
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return Err("it has no host");
        }
        if host.contains('*') {
            return Err("wildcards are not allowed");
        }
        // `host:` and `host:99999` parse as an authority without a usable port.
        let has_port_text = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(0) => return Err("port 0 is not a port"),
            Some(port) => port,
            None if has_port_text => return Err("its port is not a number from 1 to 65535"),
            None if secure => 443,
            None => 80,
        };
        Ok(Self { secure, host, port })
    }

    /// Whether the connection is encrypted.
    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }
}

impl OriginError {
    fn new(text: &str, reason: &'static str) -> Self {
        // What stands in front of an `@` may be a password: it is not repeated in a message.
        let text = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
        Self { text: text.to_owned(), reason }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, own_port) = if self.secure { ("https", 443) } else { ("http", 80) };
        write!(formatter, "{scheme}://{}", self.host)?;
        if self.port != own_port {
            write!(formatter, ":{}", self.port)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_by_scheme_host_and_port() {
        let origin = |text| Origin::parse(text).unwrap();
        assert_eq!(origin("https://API.example.com"), origin("https://api.example.com:443/"));
        assert_ne!(origin("https://api.example.com"), origin("http://api.example.com"));
        assert_ne!(origin("http://api.example.com"), origin("http://api.example.com:8080"));
        assert_ne!(origin("https://api.example.com"), origin("https://api.example.com."));
        assert_eq!(origin("http://[::1]:8080").to_string(), "http://[::1]:8080");
        assert_eq!(Origin::of_url("http://wiki.example:8080/w/api.php?x=1").unwrap().to_string(), "http://wiki.example:8080");
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        for text in [
            "api.example.com",
            "ftp://api.example.com",
            "https://api.example.com/v1",
            "https://api.example.com?x",
            "https://*.example.com",
            "https://api.example.com:0",
            "https://api.example.com:99999",
            "https://api.example.com:",
            "https://",
            "",
        ] {
            assert!(Origin::parse(text).is_err(), "{text:?} was taken for an origin");
        }
        let error = Origin::parse("https://bot:Pa55word@api.example.com").unwrap_err();
        assert!(!error.to_string().contains("Pa55word"), "{error}");
    }
}
