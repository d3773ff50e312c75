//! What began with a deploy says so: marks are held against the beginnings of incidents.

use crate::detect::pattern::fits;
use crate::detect::{Fact, budget, harvesting, leaked_key};
use crate::event::SubjectKind;
use crate::incident::{Change, ChangeKind};
use crate::store::Mark;
use crate::time::Span;

/// So long after a deploy what begins may come of it.
const AFTER: Span = Span::HOUR;
/// Beginnings are known to within some minutes, and so are deploys.
const BEFORE: Span = Span::from_mins(5);

/// So long before its end is noticed a deploy may have ended something, and so little after.
const MENDED: (Span, Span) = (Span::from_mins(30), Span::from_mins(3));

/// Tells a change which deploy it began with, if it did with one, and which one ended it.
pub(super) fn explain(change: &mut Change, marks: &[Mark]) {
    let over = matches!(change.kind, ChangeKind::Resolved(_));
    let incident = &mut change.incident;
    // No deploy leaks keys, reads data or spends budgets.
    if [leaked_key::NAME, harvesting::NAME, budget::NAME].contains(&incident.detector.as_str()) {
        return;
    }
    let concerns = |mark: &&Mark| match (&mark.subject, incident.subject.kind) {
        (Some(pattern), SubjectKind::Endpoint | SubjectKind::Source) => fits(pattern, &incident.subject.name),
        (Some(pattern), _) => incident.parts.endpoints.iter().any(|part| fits(pattern, &part.name)),
        (None, _) => true,
    };
    let started = incident.started_at;
    let near = |mark: &&Mark| started - mark.at <= AFTER && mark.at - started <= BEFORE;
    let distance = |mark: &&Mark| (started - mark.at).millis().abs();
    let began = marks.iter().filter(concerns).filter(near).min_by_key(distance);
    let answers = matches!(incident.facts.get("ended_by"), Some(Fact::Text(by)) if by == "answers" || by == "works");
    let mended = incident.ended_at.filter(|_| over && answers).and_then(|ended| {
        let close = |mark: &&Mark| ended - mark.at <= MENDED.0 && mark.at - ended <= MENDED.1;
        let later = |mark: &&Mark| mark.at > started && began.is_none_or(|began| began != *mark);
        Some((ended, marks.iter().filter(concerns).filter(close).rfind(later)?))
    });
    if let Some(mark) = began {
        incident.facts.insert("deploy".to_owned(), Fact::Text(named(mark)));
        incident.facts.insert("deploy_at".to_owned(), Fact::Time(mark.at));
        incident.facts.insert("deploy_before".to_owned(), Fact::Span((started - mark.at).max(Span::ZERO)));
    }
    if let Some((ended, mark)) = mended {
        incident.facts.insert("fix".to_owned(), Fact::Text(named(mark)));
        incident.facts.insert("fix_at".to_owned(), Fact::Time(mark.at));
        incident.facts.insert("fix_before".to_owned(), Fact::Span((ended - mark.at).max(Span::ZERO)));
    }
}

fn named(mark: &Mark) -> String {
    let what = if mark.what.is_empty() { "the deploy".to_owned() } else { format!("the deploy {}", mark.what) };
    let by = if mark.author.is_empty() { String::new() } else { format!(" (by {})", mark.author) };
    format!("{what}{by}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::sample;

    fn change(detector: &str) -> Change {
        sample::changes().into_iter().find(|change| change.incident.detector == detector).unwrap()
    }

    fn mark(change: &Change, minutes: i64) -> Mark {
        let at = change.incident.started_at + Span::from_mins(minutes);
        Mark { what: "v1.4.2".to_owned(), at, author: "ana".to_owned(), subject: None }
    }

    #[test]
    fn what_begins_within_an_hour_of_a_deploy_names_it_and_nothing_else_does() {
        let spike = change("error-spike");
        let told = |marks: &[Mark]| {
            let mut change = spike.clone();
            explain(&mut change, marks);
            change.incident.facts.get("deploy").cloned()
        };
        assert_eq!(told(&[mark(&spike, -3)]), Some(Fact::Text("the deploy v1.4.2 (by ana)".to_owned())));
        assert!(told(&[mark(&spike, 2)]).is_some(), "the spike is seen from its minute on");
        assert!(told(&[mark(&spike, -61)]).is_none() && told(&[mark(&spike, 6)]).is_none() && told(&[]).is_none());
        let older = Mark { what: "v1.4.1".to_owned(), ..mark(&spike, -50) };
        assert_eq!(told(&[older, mark(&spike, -3)]), told(&[mark(&spike, -3)]), "the nearest one");
        let elsewhere = Mark { subject: Some("/nowhere/*".to_owned()), ..mark(&spike, -3) };
        assert!(told(&[elsewhere]).is_none());
        let mut leak = change("leaked-key");
        let at = mark(&leak, -3);
        explain(&mut leak, &[at]);
        assert!(!leak.incident.facts.contains_key("deploy"));
    }

    #[test]
    fn what_works_again_after_a_deploy_names_it_and_one_that_began_it_did_not_end_it() {
        let mut end = sample::changes()
            .into_iter()
            .find(|c| matches!(c.incident.facts.get("ended_by"), Some(Fact::Text(by)) if by == "answers"))
            .unwrap();
        for name in ["fix", "fix_at", "fix_before"] {
            end.incident.facts.remove(name);
        }
        let ended = (end.incident.ended_at.unwrap() - end.incident.started_at).mins_f64() as i64;
        let told = |marks: &[Mark]| {
            let mut change = end.clone();
            explain(&mut change, marks);
            change.incident.facts.get("fix_before").cloned()
        };
        assert_eq!(told(&[mark(&end, ended - 3)]), Some(Fact::Span(Span::from_mins(3))));
        assert_eq!(told(&[mark(&end, ended - 20), mark(&end, ended - 3)]), Some(Fact::Span(Span::from_mins(3))));
        assert_eq!(told(&[mark(&end, ended - 31)]), None);
        assert_eq!(told(&[mark(&end, -1)]), None, "that one began it");
        end.incident.facts.insert("ended_by".to_owned(), Fact::Text("stopped".to_owned()));
        let mut change = end.clone();
        let at = [mark(&end, ended - 3)];
        explain(&mut change, &at);
        assert!(!change.incident.facts.contains_key("fix"));
    }
}
