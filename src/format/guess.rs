//! Which known format fits a log, and why: a vote over its first lines.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::envelope::{self, DEEPEST, Envelope, Piece};
use super::registry::Registry;
use super::{Format, Reason, Reject};

/// Lines that vote; further ones are not looked at.
pub const SAMPLE_LINES: usize = 200;

/// Formats that share a log with the best one: at most so many.
const ALSO: usize = 4;
/// Lines whose variant says how special a format in several variants is.
const RATED: usize = 5;

/// The outcome of the vote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guess {
    /// The name of the format that reads the log; `None` if none fits.
    pub format: Option<String>,
    /// Further formats that read lines which it does not, the most useful first.
    pub also: Vec<String>,
    /// One sentence for people: which, how many lines, and what came next.
    pub reason: String,
    /// Lines that voted (empty ones do not).
    pub lines: usize,
    /// How many lines each format reads, best first; those that read none are left out.
    pub votes: Vec<Vote>,
    /// Formats that read no line, those that came farthest into them first.
    pub misses: Vec<Vote>,
    /// What the lines that the best formats read were wrapped in, and how many.
    pub envelopes: Vec<(Envelope, usize)>,
    /// No format read enough lines strictly, so stray quotes were put up with.
    pub loosely: bool,
}

/// How a format did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vote {
    /// Which format.
    pub format: String,
    /// Lines it reads.
    pub fits: usize,
    /// What was wrong with most of the others.
    pub lack: Option<Lack>,
}

/// Why a format does not read lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lack {
    /// What was wrong, and at which column of the line inside its envelopes.
    pub reject: Reject,
    /// In how many lines just that.
    pub lines: usize,
}

/// A line as it stands, and what is inside its envelopes.
struct Ballot<'l> {
    line: &'l [u8],
    inside: Vec<(Envelope, Cow<'l, [u8]>)>,
}

struct Candidate {
    name: String,
    specificity: u32,
    /// By line: how many envelopes had to be taken off, where the format reads it.
    fits: Vec<Option<usize>>,
    count: usize,
    lack: Option<Lack>,
    /// How far into the lines that it does not read it came, in bytes altogether.
    reach: u64,
}

/// Lets the formats of the registry read the first lines of a log. The one that reads most wins; among those that read
/// nearly as many, the one that asks for more (combined before common), as it says more about each line. Where none reads
/// enough strictly, they try once more loosely.
pub fn guess(sample: &[&[u8]], formats: &Registry) -> Guess {
    let ballots: Vec<Ballot<'_>> = sample
        .iter()
        .filter(|line| !line.trim_ascii().is_empty())
        .take(SAMPLE_LINES)
        .map(|line| Ballot { line, inside: unwrap(line) })
        .collect();
    let (mut candidates, mut loosely) = (vote(&ballots, formats, false), false);
    if choose(&candidates, ballots.len()).is_none() {
        let second = vote(&ballots, formats, true);
        if choose(&second, ballots.len()).is_some() {
            (candidates, loosely) = (second, true);
        }
    }
    let chosen = choose(&candidates, ballots.len());
    let also = chosen.map(|best| others(&candidates, best, ballots.len())).unwrap_or_default();
    let envelopes = chosen.map(|best| wrapped(&candidates, best, &also, &ballots)).unwrap_or_default();
    let reason = reason(&candidates, chosen, ballots.len(), &also, &envelopes);
    let tell = |c: &Candidate| Vote { format: c.name.clone(), fits: c.count, lack: c.lack.clone() };
    let votes = candidates.iter().filter(|c| c.count > 0).map(tell).collect();
    let mut missed: Vec<&Candidate> = candidates.iter().filter(|c| c.count == 0).collect();
    missed.sort_by_key(|c| std::cmp::Reverse(c.reach));
    Guess {
        format: chosen.map(|best| candidates[best].name.clone()),
        also: also.into_iter().map(|at| candidates[at].name.clone()).collect(),
        reason,
        lines: ballots.len(),
        votes,
        misses: missed.into_iter().map(tell).collect(),
        envelopes,
        loosely,
    }
}

fn unwrap(line: &[u8]) -> Vec<(Envelope, Cow<'_, [u8]>)> {
    let mut inside: Vec<(Envelope, Cow<'_, [u8]>)> = Vec::new();
    while inside.len() < DEEPEST {
        let next = match inside.last() {
            None => envelope::open(line).map(|o| (o.kind, o.text, o.piece)),
            Some((_, Cow::Borrowed(text))) => envelope::open(text).map(|o| (o.kind, o.text, o.piece)),
            Some((_, Cow::Owned(text))) => {
                envelope::open(text).map(|o| (o.kind, Cow::Owned(o.text.into_owned()), o.piece))
            }
        };
        match next {
            Some((kind, text, Piece::Last)) => inside.push((kind, text)),
            _ => break,
        }
    }
    inside
}

/// Every format with what it reads, best first.
fn vote(ballots: &[Ballot<'_>], formats: &Registry, loosely: bool) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = formats
        .iter()
        .map(|entry| {
            let format = entry.format();
            let mut lacks: BTreeMap<(u32, Reason), usize> = BTreeMap::new();
            let mut reach = 0;
            let mut rates: Vec<u32> = Vec::with_capacity(RATED);
            let fits: Vec<Option<usize>> = ballots
                .iter()
                .map(|ballot| match try_each(&*format, ballot, loosely) {
                    Ok(depth) => {
                        if rates.len() < RATED {
                            let text = depth.checked_sub(1).map_or(ballot.line, |at| &*ballot.inside[at].1);
                            rates.push(entry.specificity(&*format, text));
                        }
                        Some(depth)
                    }
                    Err(reject) => {
                        reach += u64::from(reject.column);
                        *lacks.entry((reject.column, reject.reason)).or_default() += 1;
                        None
                    }
                })
                .collect();
            let count = fits.iter().flatten().count();
            let specificity = rates.iter().sum::<u32>() / rates.len().max(1) as u32;
            let most = lacks.into_iter().max_by_key(|(_, lines)| *lines);
            let lack = most.map(|((column, reason), lines)| Lack { reject: Reject { column, reason }, lines });
            Candidate { name: entry.name.clone(), specificity, fits, count, lack, reach }
        })
        .collect();
    // Stable whatever the order of files: more lines, then more specific, then by name.
    candidates
        .sort_by(|a, b| (b.count, b.specificity).cmp(&(a.count, a.specificity)).then_with(|| a.name.cmp(&b.name)));
    candidates
}

/// How many envelopes had to be taken off before the format read the line, or understood it as no request.
fn try_each(format: &dyn Format, ballot: &Ballot<'_>, loosely: bool) -> Result<usize, Reject> {
    let read = |text: &[u8]| {
        let read = if loosely { format.parse_loosely(text) } else { format.parse(text) };
        match read {
            Ok(_) => Ok(()),
            Err(reject) if reject.reason.is_understood() => Ok(()),
            Err(reject) => Err(reject),
        }
    };
    for (at, (_, text)) in ballot.inside.iter().enumerate() {
        if read(text).is_ok() {
            return Ok(at + 1);
        }
    }
    let innermost = ballot.inside.last().map(|(_, text)| text);
    read(ballot.line).map(|()| 0).map_err(|reject| innermost.and_then(|text| read(text).err()).unwrap_or(reject))
}

/// The most specific of those that read nearly as many lines as the best one.
fn choose(candidates: &[Candidate], lines: usize) -> Option<usize> {
    let most = candidates.first()?.count;
    // A log full of noise has some lines at least; one line in ten proves a format, chance does not fit so many.
    if most == 0 || most * 10 < lines {
        return None;
    }
    let near = most - most / 50;
    let good = candidates.iter().enumerate().filter(|(_, c)| c.count >= near);
    // Who opens more envelopes reads what was meant; who needs fewer may have read a header as a part of the line.
    let opened = |c: &Candidate| c.fits.iter().flatten().sum::<usize>();
    good.max_by(|(a, x), (b, y)| (opened(x), x.specificity, b).cmp(&(opened(y), y.specificity, a))).map(|(at, _)| at)
}

/// Formats that read what is left, greedily.
fn others(candidates: &[Candidate], best: usize, lines: usize) -> Vec<usize> {
    let mut covered: Vec<bool> = candidates[best].fits.iter().map(Option::is_some).collect();
    let mut also = Vec::new();
    while also.len() < ALSO {
        let gain = |c: &Candidate| (0..lines).filter(|&at| c.fits[at].is_some() && !covered[at]).count();
        // Of equals the first by name, so that the order of the list does not matter.
        let gains = candidates.iter().enumerate().rev().map(|(at, c)| (gain(c), c.specificity, at));
        let best = gains.max_by_key(|(gained, specificity, _)| (*gained, *specificity));
        let Some((1.., _, next)) = best else { break };
        for (known, fits) in covered.iter_mut().zip(&candidates[next].fits) {
            *known |= fits.is_some();
        }
        also.push(next);
    }
    also
}

/// What the lines were wrapped in that the chosen formats read.
fn wrapped(candidates: &[Candidate], best: usize, also: &[usize], ballots: &[Ballot<'_>]) -> Vec<(Envelope, usize)> {
    let mut counts: BTreeMap<Envelope, usize> = BTreeMap::new();
    for (at, ballot) in ballots.iter().enumerate() {
        let depth = std::iter::once(&best).chain(also).find_map(|c| candidates[*c].fits[at]).unwrap_or(0);
        for (kind, _) in ballot.inside.iter().take(depth) {
            *counts.entry(*kind).or_default() += 1;
        }
    }
    let mut counts: Vec<(Envelope, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
    counts
}

fn reason(
    candidates: &[Candidate],
    chosen: Option<usize>,
    lines: usize,
    also: &[usize],
    envelopes: &[(Envelope, usize)],
) -> String {
    if lines == 0 {
        return "there is no line to look at yet".to_owned();
    }
    let of = |c: &Candidate| format!("{} reads {} of {lines} lines", c.name, c.count);
    let Some(best) = chosen.map(|at| &candidates[at]) else {
        return match candidates.first().filter(|first| first.count > 0) {
            None => {
                format!("no known format reads any of {lines} lines; paste the server's log_format into the source")
            }
            Some(first) => format!("no format fits: {} at best", of(first)),
        };
    };
    let rival = candidates.iter().find(|c| c.name != best.name && c.count > 0);
    let rival = rival.map(|rival| match rival.count.cmp(&best.count) {
        Ordering::Less => format!("; next comes {} with {}", rival.name, rival.count),
        Ordering::Equal => format!("; {} reads as many but says less about each", rival.name),
        Ordering::Greater => format!("; {} reads {} but says less about each", rival.name, rival.count),
    });
    let names: Vec<&str> = also.iter().map(|at| candidates[*at].name.as_str()).collect();
    let others = (!names.is_empty()).then(|| format!("; other lines are read as {}", names.join(", ")));
    let around = envelopes.iter().map(|(kind, count)| format!("; {count} lines are inside {}", kind.as_str()));
    [of(best), rival.unwrap_or_default(), others.unwrap_or_default()].into_iter().chain(around).collect()
}
