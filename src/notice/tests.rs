use super::email::EmailSettings;
use super::terminal::Style;
use super::*;
use crate::time::Zone;

fn renderer() -> Renderer {
    let settings = Settings { zone: Zone::UTC, currency: "USD".to_owned(), templates: None };
    Renderer::new(&settings).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn dump() {
    let r = renderer();
    for change in sample::changes().iter().chain(&sample::bare_changes()) {
        let n = r.compose(change);
        println!("{}\n  {}\n  {}\n", n.title, n.summary, n.actions.join("\n  "));
    }
    let n = r.compose(&sample::changes()[0]);
    println!("{}\n{}\n{}", r.terminal(&n, Style::default()), r.email(&n, &EmailSettings::default()).text, r.slack(&n));
}
