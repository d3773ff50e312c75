//! What nobody wants to hear for a while.

use crate::detect::pattern::fits as matches;
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
