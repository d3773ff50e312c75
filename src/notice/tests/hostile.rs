//! What no message may ever hold, whatever a log contains.

use proptest::prelude::*;

use super::super::{Note, Notice, Renderer, sample, slack};
use super::{mail, renderer};
use crate::detect::Fact;
use crate::event::SubjectKind;
use crate::incident::{Part, Where};
use crate::notice::terminal::Style;

/// Texts that a client may send, the known tricks among them.
fn hostile() -> impl Strategy<Value = String> {
    let tricks = prop::sample::select(vec![
        "<!channel>",
        "<@U123>",
        "<https://evil.example|click>",
        "`*_~",
        "\r\nBcc: a@b.example\r\n",
        "\n.\n",
        "\x1b[2J",
        "\u{202e}gpj",
        "\u{200b}",
        "{{ 7*7 }}",
        "{% raw %}",
        "</p><script>",
        "\" onload=\"",
        "'",
        "&amp;",
        "\\x1b",
        "\u{0}",
        "]]>",
        "#{}",
        "%s",
        "\u{fe0f}\u{e0041}",
        "…",
    ]);
    let piece = prop_oneof![tricks.prop_map(str::to_owned), any::<String>(), Just("a".repeat(300))];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn no_control(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control())
}

/// Every text in a JSON value.
fn strings(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::String(s) => vec![s],
        serde_json::Value::Array(list) => list.iter().flat_map(strings).collect(),
        serde_json::Value::Object(map) => map.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

const TAGS: &[&str] = &[
    "!doctype", "html", "/html", "head", "/head", "meta", "title", "/title", "body", "/body", "div", "/div", "p", "/p",
    "h1", "/h1", "table", "/table", "tr", "/tr", "th", "/th", "td", "/td", "ol", "/ol", "ul", "/ul", "li", "/li",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_from_a_log_becomes_markup_a_header_or_an_escape(
        texts in prop::collection::vec(hostile(), 8),
        which in 0usize..1000,
        kind in prop::sample::select(vec![SubjectKind::Key, SubjectKind::Endpoint, SubjectKind::Client, SubjectKind::Source]),
    ) {
        thread_local! {
            static RENDERER: Renderer = renderer();
        }
        let changes = sample::changes();
        let mut change = changes[which % changes.len()].clone();
        let incident = &mut change.incident;
        let part = |text: &String| vec![Part { name: text.clone(), share: 0.5 }, Part { name: texts[7].clone(), share: 0.3 }];
        incident.subject.kind = kind;
        incident.subject.name.clone_from(&texts[0]);
        incident.rule.clone_from(&texts[5]);
        incident.also = vec![format!("burst key {}", texts[6]), texts[6].clone()];
        incident.parts = Where {
            keys: part(&texts[1]),
            endpoints: part(&texts[2]),
            clients: part(&texts[3]),
            user_agents: part(&texts[4]),
            countries: part(&texts[1]),
        };
        for (i, fact) in incident.facts.values_mut().enumerate() {
            match fact {
                Fact::Text(text) => text.clone_from(&texts[i % 8]),
                Fact::List(list) => list.clone_from(&texts),
                _ => {}
            }
        }
        RENDERER.with(|renderer| {
            let notice = renderer.compose(&change);
            prop_assert!(notice.title.chars().count() <= 120);
            prop_assert!(no_control(&notice.title) && no_control(&notice.summary));

            for message in [renderer.slack(&notice), renderer.slack_plain(&notice), renderer.digest_slack(std::slice::from_ref(&notice))] {
                slack::checked(&message.to_string()).map_err(TestCaseError::fail)?;
                for text in strings(&message) {
                    prop_assert!(!text.contains('<') && no_control(text), "{text}");
                }
            }

            let email = renderer.email(&notice, &mail());
            prop_assert!(email.subject.chars().count() <= 120);
            let headers = email.headers.iter().flat_map(|(name, value)| [name, value]);
            for text in headers.chain([&email.subject, &email.message_id]).chain(&email.references) {
                prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            }
            prop_assert!(no_control(&email.text) && no_control(&email.html));
            for after in email.html.split('<').skip(1) {
                let tag = after.split([' ', '>']).next().unwrap_or_default();
                prop_assert!(TAGS.contains(&tag), "{tag} in {}", email.html);
            }
            prop_assert!(email.html.matches("onload=\"").count() == 0);

            let back: Notice = serde_json::from_str(&renderer.webhook(&notice)).map_err(|e| TestCaseError::fail(e.to_string()))?;
            // Numbers may lose their last bit on the way through JSON; texts may not change.
            prop_assert_eq!(
                (&back.title, &back.summary, &back.actions, &back.subject, &back.parts),
                (&notice.title, &notice.summary, &notice.actions, &notice.subject, &notice.parts)
            );
            prop_assert!(!renderer.webhook(&notice).contains('\n'));

            let plain = renderer.terminal(&notice, Style { colour: false, width: 80 });
            prop_assert!(no_control(&plain), "{plain:?}");
            Ok(())
        })?;
    }

    #[test]
    fn notes_are_as_safe_as_notices(title in hostile(), body in hostile(), item in hostile()) {
        thread_local! {
            static RENDERER: Renderer = renderer();
        }
        let mut note = Note::new(title, body, crate::time::Timestamp::default());
        note.items = vec![item; 40];
        RENDERER.with(|renderer| {
            let message = renderer.note_slack(&note);
            prop_assert!(strings(&message).iter().all(|text| !text.contains('<') && no_control(text)));
            let email = renderer.note_email(&note, &mail());
            prop_assert!(!email.subject.chars().any(char::is_control) && no_control(&email.text) && no_control(&email.html));
            prop_assert!(no_control(&renderer.note_terminal(&note, Style::default())));
            serde_json::from_str::<serde_json::Value>(&renderer.note_webhook(&note)).map_err(|e| TestCaseError::fail(e.to_string()))?;
            Ok(())
        })?;
    }
}
