//! `lapwing replay`: what would it have told me?

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::ConfigArgument;
use super::output::Output;
use crate::app::Failure;
use crate::app::answers::Explained;
use crate::app::control::{self, Ask};
use crate::app::replay::{self, Budget, Summary};
use crate::app::telling::Teller;
use crate::config::Config;
use crate::detect::grounds::Grounds;
use crate::engine::{Matter, Outlook};
use crate::notice::terminal::Style;
use crate::notice::words;
use crate::notice::{Notice, NoticeType};
use crate::store::Mark;
use crate::time::{Clock, Span, SystemClock, Timestamp};

/// Read existing logs on a virtual clock and show what would have been sent
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing replay /var/log/nginx/access.log*
  lapwing replay --config lapwing.toml --since 2026-03-09 access.log
  zcat backup/*.gz | lapwing replay --json - | jq -r .title

Plain, gzip and Zstandard files; the rotated copies of a named log are read too; lines of all files are taken in the
order of their times.")]
pub(super) struct Replay {
    /// Logs; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Notices as JSON, one a line
    #[arg(long)]
    json: bool,
    /// Show what was decided from then on; earlier lines only teach what is usual (without zone: UTC)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,
    /// Say why each incident was told: windows, baseline, evidence
    #[arg(long, conflicts_with = "json")]
    explain: bool,
    /// Learn what is usual from the whole log first, then judge it from its first line: for logs too short to learn from
    #[arg(long)]
    two_pass: bool,
    /// Something was deployed then: what begins or ends with it says so. Those of a running daemon are known without
    #[arg(long, value_name = "TIME[=WHAT]", value_parser = deploy)]
    deploy: Vec<Mark>,
    /// Read lines up to then
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,
}

/// A point in time of the command line.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| format!("expected a time such as 2026-03-02T14:00:00Z or 2026-03-02, found \"{text}\""))
}

/// A deploy of the command line: `2026-03-10T14:00:00Z=v1.4.2`.
fn deploy(text: &str) -> Result<Mark, String> {
    let (at, what) = text.split_once('=').unwrap_or((text, ""));
    Ok(Mark { at: instant(at)?, what: what.to_owned(), author: String::new(), subject: None })
}

impl Replay {
    /// Deploys of the command line, and those that the daemon of a named configuration knows.
    fn marks(&mut self, config: &Config) -> Vec<Mark> {
        let mut marks = std::mem::take(&mut self.deploy);
        if self.config.is_named() {
            let paths =
                config.socket.clone().map_or_else(|| control::likely_paths(&config.state_dir), |path| vec![path]);
            // Where none runs there are none to know.
            let known = control::ask(&paths, &Ask::Marks).ok();
            marks.extend(known.and_then(|known| serde_json::from_value::<Vec<Mark>>(known).ok()).unwrap_or_default());
        }
        marks.sort_by_key(|mark| mark.at);
        marks
    }

    pub(super) fn run(mut self, output: &mut Output) -> Result<ExitCode, Failure> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(Failure::Usage("--since is not before --until: nothing would be shown".to_owned()));
        }
        let config = self.config.load_if_named(output)?;
        let marks = self.marks(&config);
        let (since, until, two_pass) = (self.since, self.until, self.two_pass);
        let what = replay::Replay { files: self.files, since, until, two_pass, marks };
        let explain = self.explain;
        let style = Style { colour: output.colour, width: output.width() };
        let bar = output.shows_progress().then(bar);
        let json = self.json;
        let summary = {
            let mut tell = |notice: &Notice, grounds: &Grounds, teller: &Teller| {
                let mut written = || -> std::io::Result<()> {
                    if json {
                        output.json(notice)?;
                    } else {
                        output.line(&teller.terminal(notice, style))?;
                        if explain && notice.kind == NoticeType::Opened {
                            output.line(&Explained::of(notice, grounds.clone()).text())?;
                        }
                        output.line("")?;
                    }
                    output.flush()
                };
                match &bar {
                    Some(bar) => bar.suspend(written)?,
                    None => written()?,
                }
                Ok(())
            };
            let mut progress = |done: u64, size: u64| {
                if let Some(bar) = &bar {
                    bar.set_length(size);
                    bar.set_position(done);
                }
            };
            replay::replay(config, &what, &mut tell, &mut progress)
        };
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let summary = summary?;
        let text = text(&summary, SystemClock::new().now());
        if json {
            output.note(&text);
        } else {
            output.line(&text)?;
        }
        // Nothing of what was given could be read: a script must not take that for silence.
        let failed = summary.tally.parsed == 0 && (summary.tally.lines() > 0 || !summary.unread.is_empty());
        Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    // A template of our own: it is known to be right.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// One screen: what was read, what was found, what could not be judged.
fn text(summary: &Summary, now: Timestamp) -> String {
    let tally = &summary.tally;
    let mut lines = Vec::new();
    let count = |n: u64, one: &str, many: &str| words::plural(n as f64, one, many);
    let read =
        format!("Read {} in {}", count(tally.lines(), "line", "lines"), count(summary.files as u64, "file", "files"));
    lines.push(match (tally.first, tally.newest) {
        (Some(first), Some(last)) => {
            format!("{read}: {first} to {last}, {}", words::duration(summary.span().max(Span::SECOND)))
        }
        _ if tally.lines() == 0 && summary.unread.is_empty() => format!("{read}: there is nothing in it"),
        _ => format!("{read}; none has a time"),
    });
    if let Some(ahead) = tally.newest.map(|newest| newest - now).filter(|ahead| *ahead > Span::DAY) {
        lines.push(format!(
            "Its newest line is {} ahead of this machine's clock: check the clock of the server that wrote it",
            words::duration(ahead)
        ));
    }
    let unread = tally.rejected_lines() + tally.oversize + tally.partial;
    if unread > 0 {
        let mut reasons: Vec<String> =
            tally.rejected.iter().map(|(r, n)| format!("{} {r}", words::count(*n as f64))).collect();
        for (n, what) in [(tally.oversize, "over the length limit"), (tally.partial, "unfinished")] {
            if n > 0 {
                reasons.push(format!("{} {what}", words::count(n as f64)));
            }
        }
        let share = words::percent(unread as f64 / tally.lines().max(1) as f64);
        lines.push(format!("{} could not be read ({share}): {}", count(unread, "line", "lines"), reasons.join(", ")));
        if let (Some(sample), Some(reason)) = (&tally.sample, &tally.sample_reason) {
            lines.push(format!("  such as ({reason}): {sample}"));
        }
    }
    if summary.opened.is_empty() {
        lines.push(if tally.parsed == 0 { "Nothing could be judged".to_owned() } else { "Nothing unusual".to_owned() });
    } else {
        let total: usize = summary.opened.values().sum();
        let by: Vec<String> = summary.opened.iter().map(|(rule, n)| format!("{n} {rule}")).collect();
        lines.push(format!(
            "{}: {}; {} would have been sent",
            count(total as u64, "incident", "incidents"),
            by.join(", "),
            count(summary.notices as u64, "notice", "notices")
        ));
    }
    if summary.two_pass {
        lines.push("What is usual was learned from the whole log first: live, less would have been known".to_owned());
    }
    weekly(summary, &mut lines);
    if let Some(engine) = &summary.engine
        && tally.parsed > 0
    {
        if engine.totals.future > 0 {
            lines.push(format!(
                "{} from the future, counted when they came",
                count(engine.totals.future, "line is", "lines are")
            ));
        }
        if engine.evicted > 0 {
            lines.push(format!(
                "{} gave way to keep within the memory that is allowed: those that were missed least",
                count(engine.evicted, "key, client or endpoint", "keys, clients and endpoints")
            ));
        }
        let judging = engine.judging.iter().filter(|line| line.matter != Matter::Judged);
        let (waiting, lacking): (Vec<&Outlook>, Vec<&Outlook>) = judging.partition(|line| line.matter == Matter::Waits);
        for (head, said) in [
            ("Too little history to judge everything; still to come:", waiting),
            ("What is not seen, and what to mend:", lacking),
        ] {
            if !said.is_empty() {
                lines.push(head.to_owned());
                lines.extend(said.into_iter().map(|line| format!("  {}", line.says)));
            }
        }
    }
    for unread in &summary.unread {
        lines.push(format!("Not read (to its end): {}: {}", unread.path.display(), replay::plain(&unread.error)));
    }
    lines.join("\n")
}

/// Lines of the daily summaries that are shown.
const KEPT_SHOWN: usize = 5;

/// What it comes to in a week, what was kept for the daily summaries, and what other budgets would have told.
fn weekly(summary: &Summary, lines: &mut Vec<String>) {
    let Some(Budget { allowance, told, kept, others }) = &summary.budget else { return };
    let weeks = summary.span().days_f64() / 7.0;
    if !summary.opened.is_empty() && weeks >= 1.0 {
        let by: Vec<String> =
            summary.opened.iter().map(|(rule, n)| format!("{:.1} {rule}", *n as f64 / weeks)).collect();
        lines.push(format!("In a week: {}", by.join(", ")));
    }
    let kept_lines = &summary.kept;
    if !kept_lines.is_empty() {
        let all = words::plural(*kept.max(&kept_lines.len()) as f64, "line", "lines");
        lines.push(format!("In the daily summaries: {all}, such as"));
        for notice in kept_lines.iter().take(KEPT_SHOWN) {
            lines.push(format!("  {}  {} ({})", notice.started_at, notice.title, notice.kept.as_deref().unwrap_or("")));
        }
    }
    if told + kept > 0 {
        let others: Vec<String> = others.iter().map(|(other, n)| format!("{n} with \"{other}\"")).collect();
        lines.push(format!("Alert budget \"{allowance}\": {told} told; it would have been {}", others.join(", ")));
    }
}
