//! What nobody wants to hear for a while.

use crate::notice::Notice;
use crate::store::Silence;
use crate::time::Timestamp;

/// Whether a silence covers a notice now. All that it names must fit; one that names nothing covers nothing. Drills
/// are always heard.
pub fn covers(silence: &Silence, notice: &Notice, now: Timestamp) -> bool {
    if silence.until <= now || notice.drill {
        return false;
    }
    let subject = notice.subject.to_string();
    let mut named = false;
    let mut fits = |pattern: &Option<String>, texts: &[&str]| match pattern {
        None => true,
        Some(pattern) => {
            named = true;
            texts.iter().any(|text| matches(pattern, text))
        }
    };
    let all = fits(&silence.subject, &[&subject, &notice.subject.name])
        & fits(&silence.detector, &[&notice.detector, &notice.rule])
        & fits(&silence.incident, &[&notice.incident]);
    all && named
}

/// Whether a text fits a pattern in which `*` stands for any characters. Linear but for one step back per star.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, fits) in [
            ("acme", "acme", true),
            ("acme", "acme2", false),
            ("*", "", true),
            ("key *", "key acme", true),
            ("*/orders/*", "/v1/orders/{id}", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
