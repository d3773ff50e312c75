//! The words of the users' own rules as templates: a rule's texts become the blocks of a template of its name.

use crate::rule::words::{NAMES, Piece, Text, Words};

/// What stands in the place of each name. A name that an incident says nothing about gives plain words, never an error.
#[rustfmt::skip]
const EXPRESSIONS: &[(&str, &str)] = &[
    ("who", "{{ short }}"),
    ("subject", "{{ subject.name }}"),
    ("group", "{{ (facts.group or [who]) | list(6) }}"),
    ("observed", "{% if unit == 'cost' %}{{ observed | money }}{% else %}{{ observed | measured(unit) }}{% endif %}"),
    ("limit", "{% if facts.factor_of %}{{ (facts.rule_factor or 1) | times }} {{ 'the usual' if facts.factor_of == 'usual' else 'the window before' }}{% elif unit == 'cost' %}{{ (facts.rule_limit or expected) | money }}{% else %}{{ (facts.rule_limit or expected) | measured(unit) }}{% endif %}"),
    ("usual", "{% if unit == 'cost' %}{{ expected | money }}{% else %}{{ expected | measured(unit) }}{% endif %}"),
    ("window", "{{ (facts.window or 0) | duration }}"),
    ("started", "{{ started }}"),
    ("lasted", "{{ lasted | duration }}"),
    ("requests", "{{ requests | plural('request', 'requests') }}"),
    ("errors", "{{ errors | plural('error', 'errors') }}"),
    ("cost", "{{ (cost or 0) | money }}"),
    ("endpoints", "{{ endpoints | parts(3) or 'no endpoint' }}"),
    ("clients", "{{ clients | parts(3) or 'no client' }}"),
    ("keys", "{{ keys | parts(3) or 'no key' }}"),
    ("rule", "{{ rule }}"),
    ("severity", "{{ severity }}"),
];

/// The template of a rule, which says in its own words what `base` says in general ones.
pub(super) fn template(base: &str, words: &Words) -> String {
    let mut source = format!("{{% extends \"{base}\" %}}\n");
    let mut block = |name: &str, text: &str| {
        for part in ["{% block ", name, " %}", text, "{% endblock %}\n"] {
            source.push_str(part);
        }
    };
    if let Some(title) = &words.title {
        block("headline", &expression(title));
    }
    if let Some(summary) = &words.summary {
        block("said", &expression(summary));
    }
    if let Some(actions) = &words.actions {
        let lines: Vec<String> = actions.iter().map(|action| format!("\n- {}", expression(action))).collect();
        block("steps", &lines.concat());
    }
    source
}

fn expression(text: &Text) -> String {
    let mut source = String::new();
    for (place, piece) in text.iter().enumerate() {
        match piece {
            Piece::Name("who") if place == 0 => source.push_str("{{ short | capital }}"),
            // Braces are written as values, so that nothing of the text is template.
            Piece::Plain(plain) => {
                for c in plain.chars() {
                    match c {
                        '{' => source.push_str("{{ '{' }}"),
                        '}' => source.push_str("{{ '}' }}"),
                        '\n' | '\r' => source.push(' '),
                        c => source.push(c),
                    }
                }
            }
            Piece::Name(name) => {
                let known = EXPRESSIONS.iter().find(|(known, _)| known == name);
                source.push_str(known.map_or("", |(_, expression)| expression));
            }
        }
    }
    source
}

/// Every name has its expression.
const _: () = assert!(EXPRESSIONS.len() == NAMES.len());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::{Renderer, Settings, sample};
    use crate::rule::words::parse;

    fn renderer(words: Words) -> Result<Renderer, crate::notice::TemplateError> {
        Renderer::new(&Settings {
            rules: vec![("exports".to_owned(), "exports".to_owned(), words)],
            ..Settings::default()
        })
    }

    #[test]
    fn every_name_has_its_words_for_every_incident() {
        let mut all = Vec::new();
        for (name, _) in NAMES {
            assert!(EXPRESSIONS.iter().any(|(known, _)| known == name), "{name}");
            all.push(format!("about {{{name}}} it is"));
        }
        let text = |parts: &[String]| parse(&parts.join(", ")).unwrap();
        let words = Words {
            title: Some(text(&all[..1])),
            summary: Some(text(&all)),
            actions: Some(all.iter().map(|one| text(std::slice::from_ref(one))).collect()),
        };
        // Tried with every sample, also those that say next to nothing.
        renderer(words).unwrap();
    }

    #[test]
    fn texts_are_taken_as_they_stand() {
        let words =
            Words { title: Some(parse("{who} {{%}} {{{{ 7 * 7 }}}} {{# <b> & \"x\"").unwrap()), ..Words::default() };
        let renderer = renderer(words).unwrap();
        let mut change = sample::changes().into_iter().find(|c| c.incident.detector == "burst").unwrap();
        change.incident.rule = "exports".to_owned();
        let notice = renderer.compose(&change);
        assert!(notice.title.contains("{%} {{ 7 * 7 }} {# <b> & \"x\""), "{}", notice.title);
    }
}
