//! The cookies of one session: the small part of RFC 6265 that platforms' log-ins need.
//!
//! A jar belongs to one credential and therefore to one origin: every cookie is sent to that host only, whatever `Domain` says. Kept are
//! name, value, `Path`, `Max-Age` and `Expires`; a `Secure` cookie from an unencrypted origin is not taken. `HttpOnly` and `SameSite` are
//! about browsers.

use std::time::{Duration, SystemTime};

use http::header::HeaderValue;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Cookies kept per session; more are not taken.
const COOKIES_MAX: usize = 64;
/// Name and value of one cookie together; longer ones are not taken.
const COOKIE_BYTES_MAX: usize = 4096;

/// The cookies of one session.
#[derive(Default)]
pub(super) struct Jar {
    cookies: Vec<Cookie>,
}

struct Cookie {
    name: String,
    value: Zeroizing<String>,
    path: String,
    expires: Option<Instant>,
}

impl Jar {
    /// Takes in the `Set-Cookie` values of an answer to a request for `request_path`. True if a value changed.
    pub(super) fn take<'a>(
        &mut self,
        headers: impl IntoIterator<Item = &'a HeaderValue>,
        request_path: &str,
        secure: bool,
        now: Instant,
    ) -> bool {
        let mut changed = false;
        for header in headers {
            if let Some(cookie) = header.to_str().ok().and_then(|text| Cookie::parse(text, request_path, secure, now)) {
                changed |= self.put(cookie, now);
            }
        }
        changed
    }

    fn put(&mut self, cookie: Cookie, now: Instant) -> bool {
        let known = self.cookies.iter().position(|other| other.name == cookie.name && other.path == cookie.path);
        let dead = cookie.expires.is_some_and(|expires| expires <= now);
        match known {
            Some(index) if dead => {
                self.cookies.swap_remove(index);
                true
            }
            Some(index) => {
                let changed = *self.cookies[index].value != *cookie.value;
                self.cookies[index] = cookie;
                changed
            }
            None if dead || self.cookies.len() == COOKIES_MAX => false,
            None => {
                self.cookies.push(cookie);
                true
            }
        }
    }

    /// The `Cookie` header for a request, longer paths first. None: there is nothing to send.
    pub(super) fn header(&self, request_path: &str, now: Instant) -> Option<HeaderValue> {
        let mut cookies: Vec<_> = self
            .cookies
            .iter()
            .filter(|cookie| cookie.expires.is_none_or(|expires| expires > now) && path_matches(&cookie.path, request_path))
            .collect();
        if cookies.is_empty() {
            return None;
        }
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let text = cookies.iter().map(|cookie| format!("{}={}", cookie.name, *cookie.value)).collect::<Vec<_>>();
        let mut value = HeaderValue::from_str(&Zeroizing::new(text.join("; "))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The values, for the redactor.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.cookies.iter().map(|cookie| cookie.value.as_str())
    }
}

impl Cookie {
    fn parse(text: &str, request_path: &str, secure: bool, now: Instant) -> Option<Self> {
        let mut parts = text.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let (mut path, mut max_age, mut expires) = (None, None, None);
        for part in parts {
            let (attribute, argument) = part.split_once('=').unwrap_or((part, ""));
            let argument = argument.trim();
            match attribute.trim().to_ascii_lowercase().as_str() {
                "secure" if !secure => return None,
                "path" if argument.starts_with('/') => path = Some(argument.to_owned()),
                "max-age" => max_age = seconds(argument).or(max_age),
                "expires" => expires = moment(argument).or(expires),
                _ => {}
            }
        }
        // `Max-Age` goes before `Expires`. A lifetime beyond what the clock can hold is no limit.
        let lifetime = max_age.or(expires);
        Some(Self {
            name: name.to_owned(),
            value: Zeroizing::new(value.to_owned()),
            path: path.unwrap_or_else(|| default_path(request_path)),
            expires: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
        })
    }
}

/// `Max-Age`: zero or less means at once.
fn seconds(argument: &str) -> Option<Duration> {
    let digits = argument.strip_prefix('-').unwrap_or(argument);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if argument.starts_with('-') { Duration::ZERO } else { Duration::from_secs(digits.parse().unwrap_or(u64::MAX)) })
}

/// `Expires` as the time from now; the past is zero. Servers write the date with spaces or, in the old way, with dashes.
fn moment(argument: &str) -> Option<Duration> {
    let at = jiff::fmt::rfc2822::parse(&argument.replace('-', " ")).ok()?.timestamp();
    let now = jiff::Timestamp::try_from(SystemTime::now()).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// RFC 6265, 5.1.4: the directory of the request's path.
fn default_path(request_path: &str) -> String {
    match request_path.rfind('/') {
        Some(0) | None => "/".to_owned(),
        Some(end) => request_path[..end].to_owned(),
    }
}

/// RFC 6265, 5.1.4.
fn path_matches(cookie_path: &str, request_path: &str) -> bool {
    request_path.strip_prefix(cookie_path).is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(cookies: &[&str]) -> (Jar, Instant) {
        let now = Instant::now();
        let mut jar = Jar::default();
        let headers: Vec<_> = cookies.iter().map(|text| HeaderValue::from_str(text).unwrap()).collect();
        jar.take(&headers, "/w/api.php", false, now);
        (jar, now)
    }

    fn sent(cookies: &[&str], path: &str, after_seconds: u64) -> String {
        let (jar, now) = jar(cookies);
        let header = jar.header(path, now + Duration::from_secs(after_seconds));
        header.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_cookie_comes_back_where_its_path_says() {
        assert_eq!(sent(&["a=1; Path=/; HttpOnly; SameSite=Lax"], "/anything", 0), "a=1");
        assert_eq!(sent(&["a=1"], "/w/index.php", 0), "a=1");
        assert_eq!(sent(&["a=1"], "/wiki", 0), "");
        assert_eq!(sent(&["a=1; path=/wik"], "/wiki", 0), "");
        assert_eq!(sent(&["a=1; Path=/", "b=x=y; Path=/w"], "/w/api.php", 0), "b=x=y; a=1");
        assert_eq!(sent(&["a=1; Domain=example.com; Path=/"], "/", 0), "a=1");
    }

    #[test]
    fn a_cookie_is_replaced_deleted_and_grows_old() {
        assert_eq!(sent(&["a=1; Path=/", "a=2; Path=/"], "/", 0), "a=2");
        assert_eq!(sent(&["a=1; Path=/", "a=; Path=/; Max-Age=0"], "/", 0), "");
        assert_eq!(sent(&["a=1; Path=/", "a=deleted; Path=/; expires=Thu, 01-Jan-1970 00:00:01 GMT"], "/", 0), "");
        assert_eq!(sent(&["a=1; Path=/; Expires=Fri, 01 Jan 2999 00:00:00 GMT"], "/", 0), "a=1");
        assert_eq!(sent(&["a=1; Path=/; Max-Age=60"], "/", 59), "a=1");
        assert_eq!(sent(&["a=1; Path=/; Max-Age=60; Expires=Fri, 01 Jan 2999 00:00:00 GMT"], "/", 60), "");
        assert_eq!(sent(&["a=1; Path=/; Max-Age=99999999999999999999"], "/", 60), "a=1");
    }

    #[test]
    fn what_is_no_cookie_is_not_taken() {
        assert_eq!(sent(&["novalue", "=x", "s=1; Secure; Path=/", &format!("long={}", "x".repeat(5000))], "/", 0), "");
        let of = |bytes: usize| format!("c={}; Path=/", "x".repeat(bytes - 1));
        assert_eq!(sent(&[&of(COOKIE_BYTES_MAX)], "/", 0).len(), COOKIE_BYTES_MAX + 1);
        assert_eq!(sent(&[&of(COOKIE_BYTES_MAX + 1)], "/", 0), "");
        let many: Vec<_> = (0..100).map(|number| format!("c{number}=1; Path=/")).collect();
        let (jar, _) = jar(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(jar.values().count(), COOKIES_MAX);
    }
}
