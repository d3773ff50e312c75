//! Slack: Block Kit within its limits, and the plain text for when Slack refuses the blocks.

use serde_json::{Value, json};

use super::safe;

/// Slack's limits as it documents them or as they were found (reliability notes: 10 blocks keep a message readable,
/// about 13,000 characters in all is an undocumented limit).
const TEXT_CHARS: usize = 3_000;
const HEADER_CHARS: usize = 150;
const FIELD_CHARS: usize = 2_000;
const BLOCKS: usize = 10;
const BODY_CHARS: usize = 10_000;

/// A message without blocks: what is sent again after `invalid_blocks`. Nothing in it is markup.
pub(super) fn plain(text: &str) -> Value {
    json!({
        "text": safe::clip_end(&safe::slack(text), TEXT_CHARS),
        "mrkdwn": false,
        "parse": "none",
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// The rendered template as JSON within Slack's limits, or what is wrong with it.
pub(super) fn checked(rendered: &str) -> Result<Value, String> {
    let message: Value = serde_json::from_str(rendered).map_err(|e| format!("expected valid JSON: {e}"))?;
    let characters = |value: &Value| value.as_str().map_or(0, |s| s.chars().count());
    let text = characters(&message["text"]);
    if text == 0 || text > TEXT_CHARS {
        return Err(format!("expected \"text\" of 1 to {TEXT_CHARS} characters, found {text}"));
    }
    let none = Vec::new();
    let blocks = message["blocks"].as_array().unwrap_or(&none);
    if blocks.len() > BLOCKS {
        return Err(format!("expected at most {BLOCKS} blocks, found {}", blocks.len()));
    }
    for block in blocks {
        let most = if block["type"] == "header" { HEADER_CHARS } else { TEXT_CHARS };
        let fields = block["fields"].as_array().into_iter().flatten().map(|f| (&f["text"], FIELD_CHARS));
        for (text, most) in std::iter::once((&block["text"]["text"], most)).chain(fields) {
            if characters(text) > most {
                return Err(format!("expected at most {most} characters in a {}", block["type"]));
            }
        }
    }
    let body = message.to_string().chars().count();
    if body > BODY_CHARS {
        return Err(format!("expected at most {BODY_CHARS} characters in all, found {body}"));
    }
    Ok(message)
}
