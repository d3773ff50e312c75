//! The messages: no text from a log becomes markup, a mention, a header or an escape.
#![cfg_attr(fuzzing, no_main)]

use std::sync::OnceLock;

use lapwing::notice::email::EmailSettings;
use lapwing::notice::terminal::Style;
use lapwing::notice::{Notice, Renderer, Settings, sample};
use serde_json::Value;

fn renderer() -> &'static Renderer {
    static RENDERER: OnceLock<Renderer> = OnceLock::new();
    RENDERER.get_or_init(|| Renderer::new(&Settings::default()).expect("the built-in templates work"))
}

/// A notice in which every text comes from outside.
fn notice(data: &[u8]) -> Notice {
    let changes = sample::changes();
    let which = usize::from(data.first().copied().unwrap_or(0));
    let text = String::from_utf8_lossy(data).into_owned();
    let mut change = changes[which % changes.len()].clone();
    change.incident.subject.name.clone_from(&text);
    let parts = &mut change.incident.parts;
    for list in [&mut parts.keys, &mut parts.endpoints, &mut parts.clients, &mut parts.user_agents] {
        for part in list {
            part.name.clone_from(&text);
        }
    }
    change.incident.also = vec![text];
    renderer().compose(&change)
}

fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| strings(value, out)),
        Value::Object(map) => map.values().for_each(|value| strings(value, out)),
        _ => {}
    }
}

/// One input.
pub fn run(data: &[u8]) {
    let notice = notice(data);
    let mut slack = Vec::new();
    for body in [renderer().slack(&notice), renderer().slack_plain(&notice), renderer().digest_slack(std::slice::from_ref(&notice))] {
        strings(&body, &mut slack);
    }
    for text in &slack {
        assert!(!text.contains("<!") && !text.contains("<@") && !text.contains("<http"), "{text:?}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
    let mail = renderer().email(&notice, &EmailSettings::default());
    for header in mail.headers.iter().map(|(_, value)| value).chain([&mail.subject, &mail.message_id]) {
        assert!(!header.chars().any(char::is_control), "{header:?}");
    }
    assert!(mail.subject.chars().count() <= 120, "{:?}", mail.subject);
    assert!(!mail.html.contains("<script") && !mail.html.contains("<img"), "{}", mail.html);
    let terminal = renderer().terminal(&notice, Style::default());
    assert!(terminal.chars().all(|c| c == '\n' || !c.is_control()), "{terminal:?}");
    assert_eq!(renderer().webhook(&notice).lines().count(), 1);
}

/// Where inputs begin.
#[allow(dead_code)]
pub fn seeds() -> Vec<Vec<u8>> {
    let tricks = "acme <!channel> <@U1> <https://evil|click> `*_~ \r\nBcc: a@b\r\n \x1b[2J \u{202e} {{ 7*7 }} </p><script>";
    (0..40u8).map(|which| [&[which], tricks.as_bytes()].concat()).collect()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
