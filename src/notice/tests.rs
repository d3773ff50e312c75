//! Every message of every detector as a snapshot, and what the words promise.

mod hostile;

use super::email::EmailSettings;
use super::terminal::Style;
use super::*;
use crate::detect::Fact;
use crate::event::{Severity, Subject, SubjectKind};
use crate::incident::{Again, Change, ChangeKind, Ending};
use crate::time::{Span, Zone};

fn settings() -> Settings {
    Settings { zone: Zone::UTC, currency: "USD".to_owned(), templates: None, ..Settings::default() }
}

fn renderer() -> Renderer {
    Renderer::new(&settings()).unwrap_or_else(|e| panic!("{e}"))
}

fn mail() -> EmailSettings {
    EmailSettings { host: "gate.example.com".to_owned() }
}

fn sample_of(detector: &str, kind: ChangeKind) -> Change {
    sample::changes().into_iter().find(|c| c.incident.detector == detector && c.kind == kind).unwrap()
}

fn opened(detector: &str) -> Change {
    sample_of(detector, ChangeKind::Opened)
}

/// Holds `text` against the snapshot of this name.
fn hold(name: &str, text: &str) {
    let mut insta = insta::Settings::clone_current();
    insta.set_prepend_module_to_snapshot(false);
    insta.set_omit_expression(true);
    insta.bind(|| insta::assert_snapshot!(name, text));
}

fn email_text(email: &email::Email) -> String {
    let headers: Vec<String> = email.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!(
        "Subject: {}\nMessage-ID: {}\nIn-Reply-To: {}\nReferences: {}\n{}\n\n{}\n{}",
        email.subject,
        email.message_id,
        email.in_reply_to.as_deref().unwrap_or("-"),
        email.references.join(" "),
        headers.join("\n"),
        email.text,
        email.html
    )
}

#[test]
fn the_owner_of_a_key_is_named_and_asked() {
    let text = |text: &str| Some(text.to_owned());
    let acme = Whose {
        name: "acme".to_owned(),
        tier: text("gold"),
        owner: text("payments <team>"),
        contact: text("pay@example.com"),
        environment: None,
    };
    let consumers = std::sync::Arc::new([("acme".to_owned(), acme.clone())].into());
    let renderer = Renderer::new(&Settings { consumers, ..settings() }).unwrap();
    let change = sample::changes()
        .into_iter()
        .find(|c| c.incident.detector == "burst" && c.incident.subject.name == "acme" && c.kind == ChangeKind::Opened)
        .unwrap();
    let notice = renderer.compose(&change);
    assert_eq!(notice.consumer, Some(acme));
    assert!(
        notice.actions[0].contains("the owner of key acme (payments <team>, pay@example.com)"),
        "{:?}",
        notice.actions
    );
    let slack = renderer.slack(&notice).to_string();
    assert!(
        slack.contains("payments &lt;team&gt;, pay@example.com; tier gold") && !slack.contains("<team>"),
        "{slack}"
    );
    let plain = renderer.compose(&opened("traffic-drop"));
    assert!(plain.consumer.is_none() && !renderer.webhook(&plain).contains("consumer"));
}

#[test]
fn what_began_with_a_deploy_says_so_and_what_it_costs_is_in_the_facts() {
    let mut change = opened("error-spike");
    change.incident.facts.insert("deploy".to_owned(), Fact::Text("the deploy v1.4.2 (by ana)".to_owned()));
    change.incident.facts.insert("deploy_at".to_owned(), Fact::Time(change.incident.started_at - Span::from_mins(3)));
    change.incident.facts.insert("deploy_before".to_owned(), Fact::Span(Span::from_mins(3)));
    change.incident.facts.insert("cost_per_hour".to_owned(), Fact::Number(28.0));
    change.incident.impact.cost = Some(14.0);
    let notice = renderer().compose(&change);
    assert!(
        notice.summary.contains("It began 3 min after the deploy v1.4.2 (by ana), marked at 13:59 UTC."),
        "{}",
        notice.summary
    );
    assert!(notice.actions[0].starts_with("Look at what the deploy v1.4.2 (by ana) changed"), "{:?}", notice.actions);
    let money = notice.money.unwrap();
    assert_eq!((money.so_far, money.per_hour), (14.0, Some(28.0)));
    assert!(notice.summary.contains("about $28.00 an hour now; if nobody acts it comes to $"), "{}", notice.summary);
    let terminal = renderer().slack(&notice).to_string();
    assert!(terminal.contains("about $28.00 an hour now; $"), "{terminal}");
}

#[test]
fn the_built_in_templates_work_with_everything_they_may_meet() {
    renderer().check().unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn the_words_of_every_detector_and_kind_of_change() {
    let renderer = renderer();
    for detector in sample::detectors() {
        let mut text = String::new();
        for (what, changes) in [("", sample::changes()), (" (little is known)", sample::bare_changes())] {
            for change in changes.iter().filter(|c| c.incident.detector == detector) {
                if !what.is_empty() && !matches!(change.kind, ChangeKind::Opened | ChangeKind::Resolved(Ending::Calm)) {
                    continue;
                }
                let notice = renderer.compose(change);
                let head = format!("{:?}{what}\n{}\n  {}", change.kind, notice.title, notice.summary);
                let actions: Vec<String> = notice.actions.iter().map(|a| format!("\n  - {a}")).collect();
                text.extend([head.as_str(), &actions.concat(), "\n\n"]);
            }
        }
        hold(&format!("{detector}.words"), &text);
    }
}

#[test]
fn a_title_counts_as_its_text_does_and_what_happened_once_did_not_last() {
    let renderer = renderer();
    let mut change = opened("error-spike");
    (change.incident.impact.requests, change.incident.impact.errors) = (33, 24);
    change.incident.facts.insert("errors".to_owned(), Fact::Count(24));
    let notice = renderer.compose(&change);
    assert!(notice.title.starts_with("73 % of ") && notice.summary.contains("24 of 33 requests failed"), "{notice:?}");
    let mut change = sample_of("workflow", ChangeKind::Resolved(Ending::Calm));
    change.incident.ended_at = Some(change.incident.started_at);
    change.incident.facts.insert("times".to_owned(), Fact::Count(1));
    let notice = renderer.compose(&change);
    assert!(notice.title.ends_with("Key acme skipped no further step of transfers"), "{}", notice.title);
    assert!(notice.summary.starts_with("It was at 14:02 UTC and no longer."), "{}", notice.summary);
    assert!(notice.summary.ends_with("A step was skipped once in all, and not since."), "{}", notice.summary);
    let mut change = sample_of("burst", ChangeKind::Resolved(Ending::Calm));
    let facts = &mut change.incident.facts;
    facts.insert("ended_by".to_owned(), Fact::Text("usual".to_owned()));
    for (name, n) in [("now_per_minute", 6.0), ("now_usual", 3.0)] {
        facts.insert(name.to_owned(), Fact::Number(n));
    }
    let notice = renderer.compose(&change);
    assert!(notice.title.ends_with("but not back to the usual"), "six are not three: {}", notice.title);
}

#[test]
fn ends_name_who_stopped_and_one_of_several_is_one() {
    let renderer = renderer();
    let text = |words: &str| Fact::Text(words.to_owned());
    let end = |detector: &str, kind: SubjectKind, name: &str, facts: &[(&str, Fact)]| {
        let mut change = sample_of(detector, ChangeKind::Resolved(Ending::Calm));
        change.incident.subject = Subject::new(kind, name);
        change.incident.facts.extend(facts.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone())));
        renderer.compose(&change)
    };
    let silent_since = || ("silent_since", Fact::Time(opened("burst").at));
    for (kind, name, title) in [
        (SubjectKind::Key, "acme", "Key acme sends nothing any more, after "),
        (SubjectKind::Client, "203.0.113.9", "Client 203.0.113.9 sends nothing any more, after "),
        (SubjectKind::Source, "api", "Source api sends nothing any more, after "),
        (SubjectKind::Endpoint, "/v1/orders", "No requests to /v1/orders any more, after "),
        (SubjectKind::Site, "site", "No requests come any more, after "),
    ] {
        let notice = end("burst", kind, name, &[("ended_by", text("stopped")), silent_since()]);
        assert!(notice.title.contains(title), "{}", notice.title);
    }
    let gone = [
        ("ended_by", text("gone")),
        ("gone", text("client 203.0.113.9")),
        ("gone_share", Fact::Share(0.94)),
        silent_since(),
    ];
    let notice = end("burst", SubjectKind::Endpoint, "/v1/orders", &gone);
    let said = "Client 203.0.113.9, which made 94 % of it, has not come since 14:";
    assert!(notice.summary.contains(said), "{}", notice.summary);
    for (routes, writes, said) in [
        (3, 1, "it made 3 kinds of requests it had never made in 20 days; 1 of them changes something."),
        (3, 2, "it made 3 kinds of requests it had never made in 20 days; 2 of them change something."),
        (1, 1, "it made one kind of request it had never made in 20 days; it changes something."),
        (3, 0, "it made 3 kinds of requests it had never made in 20 days."),
    ] {
        let mut change = opened("scope-creep");
        for (name, n) in [("new_routes", routes), ("new_writes", writes)] {
            change.incident.facts.insert(name.to_owned(), Fact::Count(n));
        }
        let notice = renderer.compose(&change);
        assert!(notice.summary.contains(said), "{}", notice.summary);
    }
}

#[test]
fn no_title_claims_what_the_text_takes_back() {
    let renderer = renderer();
    let mut tried = 0;
    for mut change in sample::changes().into_iter().filter(|c| matches!(c.kind, ChangeKind::Resolved(Ending::Calm))) {
        if ["traffic-drop", "budget"].contains(&change.incident.detector.as_str()) {
            // Whose end is that something comes again, or that a period is over.
            continue;
        }
        let facts = &mut change.incident.facts;
        facts.insert("silent_since".to_owned(), Fact::Time(change.at - Span::from_mins(9)));
        for (name, n) in [("members", 34), ("members_stopped", 30), ("members_refused", 4)] {
            facts.insert(name.to_owned(), Fact::Count(n));
        }
        for by in ["stopped", "members"] {
            change.incident.facts.insert("ended_by".to_owned(), Fact::Text(by.to_owned()));
            let notice = renderer.compose(&change);
            let (title, text) = (&notice.title, &notice.summary);
            let open = ["Nothing has come since", "sends nothing any more", "Of its 34 callers"];
            assert!(open.iter().any(|words| text.contains(words)), "{text}");
            let claims = ["normal", "back to", "as usual", "fast", "works"];
            assert!(!claims.iter().any(|claim| title.contains(claim)), "{title}\n{text}");
            tried += 1;
        }
    }
    assert!(tried >= 30, "{tried}");
    // What fails still, or is busy still, is not said to be as usual either.
    let over = |detector: &str, facts: &[(&str, Fact)]| {
        let mut change = sample_of(detector, ChangeKind::Resolved(Ending::Calm));
        change.incident.facts.extend(facts.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone())));
        renderer.compose(&change)
    };
    let ended = ("ended_by", Fact::Text("answers".to_owned()));
    let since = ("over_since", Fact::Time(opened("error-spike").at));
    let few = [ended, since, ("now_requests", Fact::Count(3)), ("now_failed", Fact::Count(2))];
    let notice = over("error-spike", &few);
    assert!(notice.title.ends_with("but 2 of the last 3 requests failed"), "{}", notice.title);
    let busy = [("now_per_minute", Fact::Number(400.0)), ("now_usual", Fact::Number(90.0))];
    let notice = over("burst", &busy);
    assert!(notice.title.ends_with("but not back to the usual"), "{}", notice.title);
    assert!(
        notice.summary.contains("It is still at about 400 requests a minute; about 90 a minute is usual."),
        "{}",
        notice.summary
    );
}

#[test]
fn that_a_fix_works_is_for_information_and_that_it_works_in_part_is_not() {
    let renderer = renderer();
    let update = |again| {
        let kind = ChangeKind::Updated(again);
        let change =
            sample::changes().into_iter().find(|c| c.incident.detector == "leaked-key" && c.kind == kind).unwrap();
        (renderer.compose(&change), change.incident.severity)
    };
    let (works, of_incident) = update(Again::Refused);
    assert_eq!((works.severity, of_incident, works.is_good_news()), (Severity::Info, Severity::Critical, true));
    assert!(works.title.contains("is refused with 401 and still knocks"), "{}", works.title);
    for again in [Again::PartlyRefused, Again::Reminder, Again::Worse] {
        let (notice, severity) = update(again);
        assert_eq!((notice.severity, notice.is_good_news()), (severity, false), "{again:?}");
    }
}

#[test]
fn the_whole_site_is_slow_in_words() {
    let told = [("endpoints_slow", 14), ("endpoints_asked", 16)].map(|(name, n)| (name.to_owned(), Fact::Count(n)));
    let of_the_site = |kind: ChangeKind| {
        let mut change = sample_of("slow-response", kind);
        change.incident.subject = crate::event::Subject::site();
        change.incident.facts.extend(told.clone());
        let parts = [("/v1/orders", 0.4), ("/v1/search", 0.2)];
        change.incident.parts.endpoints =
            parts.map(|(name, share)| crate::incident::Part { name: name.to_owned(), share }).to_vec();
        renderer().compose(&change)
    };
    let notice = of_the_site(ChangeKind::Opened);
    hold("slow-site.words", &format!("{}\n  {}\n  - {}", notice.title, notice.summary, notice.actions.join("\n  - ")));
    let notice = of_the_site(ChangeKind::Resolved(Ending::Calm));
    hold("slow-site-over.words", &format!("{}\n  {}", notice.title, notice.summary));
}

#[test]
fn the_messages_of_every_detector_and_type_in_every_form() {
    let renderer = renderer();
    let kinds = [
        ChangeKind::Opened,
        ChangeKind::Updated(Again::Worse),
        ChangeKind::Updated(Again::NewHarm),
        ChangeKind::Updated(Again::Reminder),
        ChangeKind::Resolved(Ending::Calm),
    ];
    for detector in sample::detectors() {
        let notices = kinds.map(|kind| renderer.compose(&sample_of(&detector, kind)));
        let all = |form: &dyn Fn(&Notice) -> String| notices.each_ref().map(form).join("\n\n----\n\n");
        hold(
            &format!("{detector}.slack"),
            &all(&|n| format!("{:#}\n{:#}", renderer.slack(n), renderer.slack_plain(n))),
        );
        hold(&format!("{detector}.email"), &all(&|n| email_text(&renderer.email(n, &mail()))));
        hold(&format!("{detector}.webhook"), &all(&|n| renderer.webhook(n)));
        hold(&format!("{detector}.terminal"), &all(&|n| renderer.terminal(n, Style::default())));
    }
}

#[test]
fn digests_and_notes_in_every_form() {
    let renderer = renderer();
    let notices: Vec<Notice> = sample::changes()
        .chunks(6)
        .enumerate()
        .map(|(i, life)| renderer.compose(&life[if i % 4 == 1 { 4 } else { 0 }]))
        .collect();
    let forms = |slack: serde_json::Value, email: email::Email, webhook: String, terminal: String| {
        format!("{slack:#}\n\n{}\n\n{webhook}\n\n{terminal}", email_text(&email))
    };
    hold(
        "digest",
        &forms(
            renderer.digest_slack(&notices),
            renderer.digest_email(&notices, &mail()),
            renderer.digest_webhook(&notices[..1]),
            renderer.digest_terminal(&notices, Style::default()),
        ),
    );
    let note = Note::new(
        "Channel ops is broken",
        "Slack refuses its messages: no_service. 3 messages wait; they are kept for 72 hours and sent when it works again.",
        notices[0].at,
    );
    hold(
        "note",
        &forms(
            renderer.note_slack(&note),
            renderer.note_email(&note, &mail()),
            renderer.note_webhook(&note),
            renderer.note_terminal(&note, Style::default()),
        ),
    );
}

#[test]
fn a_digest_tells_the_newest_state_of_each_incident_the_worst_first() {
    let renderer = renderer();
    let told = [ChangeKind::Opened, ChangeKind::Updated(Again::Worse), ChangeKind::Resolved(Ending::Calm)];
    let mut notices: Vec<Notice> = told.map(|kind| renderer.compose(&sample_of("burst", kind))).to_vec();
    notices.push(renderer.compose(&opened("leaked-key")));
    notices.push(renderer.compose(&opened("login-guard")));
    let note = Note::digest(&notices);
    assert_eq!(note.title, "3 more incidents, worst: Key wayne is suddenly used from 37 new addresses");
    assert!(note.body.ends_with("1 critical, 1 for information and 1 already over."), "{}", note.body);
    assert_eq!(note.items.len(), 3);
    assert!(note.items[1].starts_with("info: ") && note.items[2].starts_with("resolved: "), "{:?}", note.items);
    assert_eq!(Note::digest(&[]).title, "No incidents");
}

#[test]
fn titles_say_who_first_and_stay_short() {
    let renderer = renderer();
    for change in sample::changes() {
        let title = renderer.compose(&change).title;
        // With the word that says why it is told again.
        assert!(title.chars().count() <= 110, "{title}");
        if change.kind == ChangeKind::Opened {
            assert!(title.chars().count() <= 90, "{title}");
        }
    }
}

#[test]
fn nothing_needs_a_glossary_and_nothing_is_left_empty() {
    let renderer = renderer();
    let jargon = [
        "z-score",
        "sigma",
        "baseline",
        "percentile",
        "anomal",
        "deviation",
        "score",
        "bits",
        "p99",
        "threshold",
        "quantile",
        "outlier",
        "none,",
        "none.",
        " none ",
        "undefined",
        "nan",
        " inf ",
        "  ",
        " ,",
        " .",
        "..",
        "{{",
    ];
    for change in sample::changes().iter().chain(&sample::bare_changes()) {
        let notice = renderer.compose(change);
        let text = format!("{}\n{}\n{}", notice.title, notice.summary, notice.actions.join("\n"));
        for word in jargon {
            let lower = text.to_lowercase().replace("usually there are none.", "x");
            assert!(!lower.contains(word), "{word:?} in: {text}");
        }
        assert!(notice.summary.ends_with('.'), "{text}");
        let sentences = notice.summary.matches(". ").count() + 1;
        // One more where other findings join, where the history is short, and for what it costs an hour.
        let incident = &change.incident;
        let young = incident.history > Span::ZERO && incident.history < Span::from_days(8);
        let costs = notice.money.is_some_and(|money| money.per_hour.is_some());
        let further = usize::from(!incident.also.is_empty()) + usize::from(young) + usize::from(costs);
        assert!(sentences <= 4 + further, "{sentences} sentences: {text}");
        assert!(notice.kind == NoticeType::Resolved || !notice.actions.is_empty(), "{text}");
        let mut missing_space = notice.summary.chars().zip(notice.summary.chars().skip(1));
        assert!(!missing_space.any(|(a, b)| a == '.' && b.is_ascii_uppercase()), "{text}");
    }
}

#[test]
fn the_six_answers_are_in_the_text() {
    let notice = renderer().compose(&opened("burst"));
    for answer in [
        "Since 14:02 UTC",
        "1,200 requests a minute",
        "30 a minute is usual",
        "/v1/documents/process (82 %)",
        "getting worse",
        "$1,991",
        "only 2 days of history",
    ] {
        assert!(notice.summary.contains(answer), "{answer}: {}", notice.summary);
    }
}

#[test]
fn mails_of_one_incident_make_one_thread() {
    let renderer = renderer();
    let of = |kind| renderer.email(&renderer.compose(&sample_of("error-spike", kind)), &mail());
    let first = of(ChangeKind::Opened);
    let worse = of(ChangeKind::Updated(Again::Worse));
    let over = of(ChangeKind::Resolved(Ending::Calm));
    assert!(first.in_reply_to.is_none() && first.references.is_empty());
    for later in [&worse, &over] {
        assert_eq!(later.in_reply_to.as_ref(), Some(&first.message_id));
        assert_eq!(later.references, std::slice::from_ref(&first.message_id));
        assert_ne!(later.message_id, first.message_id);
        let topic = |email: &email::Email| email.subject.split_once("] ").unwrap().1.to_owned();
        assert_eq!(topic(later), topic(&first));
    }
    assert_eq!(first.subject, "[Critical] Errors on /v1/orders");
    assert_eq!(over.subject, "[Resolved] Errors on /v1/orders");
    assert!(first.text.lines().all(|line| line.chars().count() <= 72), "{}", first.text);
}

#[test]
fn a_drill_says_so_everywhere() {
    let renderer = renderer();
    let at = crate::time::Timestamp::parse("2026-05-01T09:00:00Z").unwrap();
    let notice = renderer.drills(Some("leaked-key"), at).remove(0);
    assert_eq!(notice.at, at);
    assert!(notice.summary.contains("Since 08:59 UTC"), "{}", notice.summary);
    let slack = renderer.slack(&notice).to_string();
    assert!(slack.contains("Drill: Key wayne") && slack.contains("nothing has happened"), "{slack}");
    let email = renderer.email(&notice, &mail());
    assert!(email.subject.starts_with("[Drill] ") && email.message_id.starts_with("<drill."), "{}", email.subject);
    assert!(renderer.terminal(&notice, Style::default()).starts_with("DRILL"));
    assert!(renderer.webhook(&notice).contains("\"drill\":true"));
    assert!(renderer.drills(Some("nonsense"), at).is_empty());
    assert_eq!(renderer.drills(None, at).len(), sample::detectors().len());
}

fn with_template(name: &str, text: &str) -> (tempfile::TempDir, Result<Renderer, TemplateError>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("words")).unwrap();
    std::fs::write(directory.path().join(name), text).unwrap();
    let settings = Settings { templates: Some(directory.path().to_owned()), ..settings() };
    let renderer = Renderer::new(&settings);
    (directory, renderer)
}

#[test]
fn templates_of_users_are_tried_before_they_are_needed() {
    let wrong = [
        (
            "words/burst.txt",
            "{% extends \"words/base.txt\" %}\n{% block what %}{{ facts.fcator }}{% endblock %}",
            ":2: ",
        ),
        ("words/burst.txt", "{% extends \"words/base.txt\" %}{% block title %}{% endblock %}", "the block title"),
        ("slack.json.j2", "{\"text\": {{ title }}, }", "valid JSON"),
        ("slack.json.j2", "{\"blocks\": []}", "expected \"text\""),
        ("email.html.j2", "\n\n<p>{{ tilte }}</p>", "email.html.j2:3: this name does not exist"),
        ("terminal.txt.j2", "{{ title | warp(72) }}", "terminal.txt.j2:1: "),
    ];
    for (name, text, told) in wrong {
        let (_directory, renderer) = with_template(name, text);
        let error = renderer.unwrap_err().to_string();
        assert!(error.contains(told) && error.contains(name), "{name}: {error}");
    }
    let words = "{% extends \"words/base.txt\" %}\n{% block headline %}{{ short }} knocks at the door{% endblock %}";
    let (_directory, renderer) = with_template("words/login-guard.txt", words);
    assert_eq!(renderer.unwrap().compose(&opened("login-guard")).title, "key acme knocks at the door");
}

#[test]
fn a_template_that_fails_in_the_night_gives_plainer_words_instead_of_silence() {
    let words = "{% extends \"words/base.txt\" %}\n{% block what %}{% if who == 'key boom' %}{{ nonsense }}{% endif %}It is odd.{% endblock %}";
    let (_directory, renderer) = with_template("words/burst.txt", words);
    let renderer = renderer.unwrap();
    let mut change = opened("burst");
    change.incident.subject.name = "boom".to_owned();
    let notice = renderer.compose(&change);
    assert!(notice.title.contains("boom") && !notice.summary.is_empty(), "{notice:?}");

    let blocks = "{\"text\": {{ 'far too long: ' * 900 if 'boom' in title else title }}}";
    let (_directory, renderer) = with_template("slack.json.j2", blocks);
    let message = renderer.unwrap().slack(&notice);
    assert!(message["text"].as_str().unwrap().contains("boom") && message["blocks"].is_null(), "{message}");
}

#[test]
fn odd_facts_and_numbers_still_make_a_notice() {
    let renderer = renderer();
    for detector in sample::detectors() {
        for odd in [Fact::Text("x".to_owned()), Fact::Number(f64::NAN), Fact::Flag(true), Fact::Count(u64::MAX)] {
            let mut change = opened(&detector);
            change.incident.facts.values_mut().for_each(|fact| *fact = odd.clone());
            change.incident.observed = f64::INFINITY;
            change.incident.impact.cost = Some(f64::NAN);
            change.incident.ended_at = Some(change.incident.started_at - Span::DAY);
            let notice = renderer.compose(&change);
            assert!(!notice.title.is_empty() && !notice.summary.is_empty());
            let back: Notice = serde_json::from_str(&renderer.webhook(&notice)).unwrap();
            assert_eq!(back, notice);
        }
    }
}

#[test]
fn colour_is_written_only_when_asked_for() {
    let renderer = renderer();
    let mut notice = renderer.compose(&opened("leaked-key"));
    notice.severity = Severity::Critical;
    assert!(renderer.terminal(&notice, Style { colour: true, width: 80 }).starts_with("\x1b[1;31mCRITICAL\x1b[0m"));
    let plain = renderer.terminal(&notice, Style { colour: false, width: 60 });
    assert!(!plain.contains('\x1b') && plain.lines().skip(1).all(|line| line.chars().count() <= 60), "{plain}");
}

#[test]
fn what_is_over_is_told_as_a_whole_and_what_is_missing_has_no_parts() {
    let renderer = renderer();
    let resolved = renderer.compose(&sample_of("error-spike", ChangeKind::Resolved(Ending::Calm)));
    assert!(resolved.summary.contains("2,060 of 6,650 requests failed"), "{}", resolved.summary);
    let text = renderer.email(&resolved, &mail()).text;
    assert!(text.contains("How big   2,060 of 6,650 requests (31 %), usually 0.4 %"), "{text}");
    assert!(!text.contains("\nTrend "), "{text}");

    let mut change = opened("traffic-drop");
    change.incident.parts = opened("burst").incident.parts;
    let text = renderer.email(&renderer.compose(&change), &mail()).text;
    assert!(text.contains("\nHow big ") && !text.contains("Endpoint"), "{text}");
}

#[test]
fn what_is_not_named_is_counted_only_where_its_number_is_known() {
    let part = |name: &str, share| crate::incident::Part { name: name.to_owned(), share };
    let mut change = opened("burst");
    change.incident.parts.clients = (0..5).map(|i| part(&format!("192.0.2.{i}"), 0.2)).collect();
    assert!(renderer().compose(&change).summary.contains("192.0.2.1 (20 %) and 3 more"));
    change.incident.parts.clients = (0..5).map(|i| part(&format!("192.0.2.{i}"), 0.1)).collect();
    assert!(renderer().compose(&change).summary.contains("192.0.2.1 (10 %) and others"));
}
