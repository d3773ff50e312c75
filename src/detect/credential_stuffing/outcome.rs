//! What a log-in is, and what came of it: conditions as people write them.

use crate::detect::pattern::fits;
use crate::event::Method;

/// A route at which people log in: `/login`, `*/sessions/*`, or `GET /private/*`. Without a method it is POST.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Door {
    method: Method,
    path: String,
}

impl Door {
    /// Reads one.
    ///
    /// # Errors
    /// What was expected instead, in words.
    pub fn parse(text: &str) -> Result<Door, String> {
        let wrong = || format!("expected a path such as \"/login\" or \"GET /private/*\", found \"{text}\"");
        let (method, path) = match text.trim().split_once(char::is_whitespace) {
            None => (Method::Post, text.trim()),
            Some((method, path)) => match Method::parse(method.as_bytes()) {
                Method::Other => return Err(wrong()),
                method => (method, path.trim()),
            },
        };
        let fine = path.starts_with(['/', '*']) && !path.contains(char::is_whitespace);
        if fine { Ok(Door { method, path: path.to_owned() }) } else { Err(wrong()) }
    }

    /// Whether one logs in there with a request that only reads.
    pub fn reads(&self) -> bool {
        self.method.is_safe()
    }

    /// Whether it is this one.
    pub fn is(&self, method: Method, path: &str) -> bool {
        self.method == method && fits(&self.path, path)
    }
}

/// How the answer to a failed log-in looks: a status, and where that is not enough the size of the answer or the path:
/// `401`, `4xx`, `302 bytes<400`, `*/wp-login.php 200`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    path: Option<String>,
    statuses: (u16, u16),
    bytes: (u32, u32),
}

impl Failure {
    /// Reads one.
    ///
    /// # Errors
    /// What was expected instead, in words.
    pub fn parse(text: &str) -> Result<Failure, String> {
        let wrong = |what: &str| {
            format!(
                "expected a status with a size or a path such as \"401\", \"302 bytes<400\" or \"/login 200\", found {what}"
            )
        };
        let mut failure = Failure { path: None, statuses: (0, 0), bytes: (0, u32::MAX) };
        for word in text.split_whitespace() {
            if word.starts_with(['/', '*']) {
                failure.path = Some(word.to_owned());
            } else if let Some(bound) = word.strip_prefix("bytes") {
                failure.bytes = size(bound).ok_or_else(|| wrong(&format!("\"{word}\"")))?;
            } else {
                failure.statuses = statuses(word).ok_or_else(|| wrong(&format!("\"{word}\"")))?;
            }
        }
        if failure.statuses == (0, 0) { Err(wrong(&format!("\"{text}\""))) } else { Ok(failure) }
    }

    /// Whether an answer looks like this.
    pub fn is(&self, path: &str, status: u16, bytes: u32) -> bool {
        (self.statuses.0..=self.statuses.1).contains(&status)
            && (self.bytes.0..=self.bytes.1).contains(&bytes)
            && self.path.as_deref().is_none_or(|pattern| fits(pattern, path))
    }
}

/// `401`, or `4xx` for all of a hundred.
fn statuses(word: &str) -> Option<(u16, u16)> {
    if let Some(hundreds) = word.strip_suffix("xx") {
        let first = hundreds.parse::<u16>().ok().filter(|h| (1..=5).contains(h))? * 100;
        return Some((first, first + 99));
    }
    let status = word.parse().ok().filter(|status| (100..=599).contains(status))?;
    Some((status, status))
}

/// `<400`, `>400`, `=0`.
fn size(bound: &str) -> Option<(u32, u32)> {
    let number = |text: &str| text.parse::<u32>().ok();
    match bound.split_at_checked(1)? {
        ("<", n) => Some((0, number(n)?.checked_sub(1)?)),
        (">", n) => Some((number(n)?.checked_add(1)?, u32::MAX)),
        ("=", n) => Some((number(n)?, number(n)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_by_status_redirect_size_and_path() {
        let is = |text: &str, path, status, bytes| Failure::parse(text).is_ok_and(|f| f.is(path, status, bytes));
        assert!(is("401", "/login", 401, 12) && !is("401", "/login", 403, 12));
        assert!(is("4xx", "/login", 422, 12) && !is("4xx", "/login", 302, 12));
        assert!(is("302 bytes<400", "/login", 302, 399) && !is("302 bytes<400", "/login", 302, 400));
        assert!(is("200 bytes>1000", "/login", 200, 1001) && is("bytes=0 302", "/", 302, 0));
        assert!(is("*/wp-login.php 200", "/blog/wp-login.php", 200, 9) && !is("*/wp-login.php 200", "/login", 200, 9));
        for wrong in ["", "yes", "bytes<400", "99", "600", "401 size<3", "302 bytes<", "302 bytes<0", "6xx", "401 403x"]
        {
            assert!(Failure::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn doors_have_a_method() {
        let is = |text: &str, method, path| Door::parse(text).is_ok_and(|door| door.is(method, path));
        assert!(is("*/login", Method::Post, "/api/login") && !is("*/login", Method::Get, "/api/login"));
        assert!(is("GET /private/*", Method::Get, "/private/x"));
        for wrong in ["login", "", "FETCH /login", "/a b", "GET"] {
            assert!(Door::parse(wrong).is_err(), "{wrong}");
        }
    }
}
