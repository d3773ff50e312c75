//! Which known format fits a log, and why: a vote over its first lines.

use std::cmp::Ordering;

use super::registry::Registry;

/// Lines that vote; further ones are not looked at.
pub const SAMPLE_LINES: usize = 200;

/// Formats that share a log with the best one: at most so many.
const ALSO: usize = 4;

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
}

/// How a format did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vote {
    /// Which format.
    pub format: String,
    /// Lines it reads.
    pub fits: usize,
}

struct Candidate {
    name: String,
    specificity: u32,
    fits: Vec<bool>,
    count: usize,
}

/// Lets the formats of the registry read the first lines of a log. The one that reads most wins; among those that read
/// nearly as many, the one that asks for more (combined before common), as it says more about each line.
pub fn guess(sample: &[&[u8]], formats: &Registry) -> Guess {
    let lines: Vec<&[u8]> =
        sample.iter().copied().filter(|line| !line.trim_ascii().is_empty()).take(SAMPLE_LINES).collect();
    let mut candidates: Vec<Candidate> = formats
        .iter()
        .map(|entry| {
            let format = entry.format();
            let fits: Vec<bool> = lines.iter().map(|line| format.parse(line).is_ok()).collect();
            let count = fits.iter().filter(|fit| **fit).count();
            Candidate { name: entry.name.clone(), specificity: entry.specificity(), fits, count }
        })
        .filter(|candidate| candidate.count > 0)
        .collect();
    // Stable whatever the order of files: more lines, then more specific, then by name.
    candidates
        .sort_by(|a, b| (b.count, b.specificity).cmp(&(a.count, a.specificity)).then_with(|| a.name.cmp(&b.name)));
    let votes = candidates.iter().map(|c| Vote { format: c.name.clone(), fits: c.count }).collect();
    let chosen = choose(&candidates, lines.len());
    let also = chosen.map(|best| others(&candidates, best, lines.len())).unwrap_or_default();
    let reason = reason(&candidates, chosen, lines.len(), &also);
    Guess { format: chosen.map(|best| candidates[best].name.clone()), also, reason, lines: lines.len(), votes }
}

/// The most specific of those that read nearly as many lines as the best one.
fn choose(candidates: &[Candidate], lines: usize) -> Option<usize> {
    let most = candidates.first()?.count;
    // A log full of noise has some lines at least; one line in ten proves a format, chance does not fit so many.
    if most * 10 < lines {
        return None;
    }
    let near = most - most / 50;
    let good = candidates.iter().enumerate().filter(|(_, c)| c.count >= near);
    good.max_by(|(a, x), (b, y)| (x.specificity, b).cmp(&(y.specificity, a))).map(|(at, _)| at)
}

/// Formats that read what is left, greedily.
fn others(candidates: &[Candidate], best: usize, lines: usize) -> Vec<String> {
    let mut covered = candidates[best].fits.clone();
    let mut also = Vec::new();
    while also.len() < ALSO {
        let gain = |c: &Candidate| (0..lines).filter(|&at| c.fits[at] && !covered[at]).count();
        let Some((gained, next)) =
            candidates.iter().map(|c| (gain(c), c)).max_by_key(|(gained, c)| (*gained, c.specificity))
        else {
            break;
        };
        if gained == 0 {
            break;
        }
        for (known, fits) in covered.iter_mut().zip(&next.fits) {
            *known |= *fits;
        }
        also.push(next.name.clone());
    }
    also
}

fn reason(candidates: &[Candidate], chosen: Option<usize>, lines: usize, also: &[String]) -> String {
    if lines == 0 {
        return "there is no line to look at yet".to_owned();
    }
    let of = |c: &Candidate| format!("{} reads {} of {lines} lines", c.name, c.count);
    let Some(best) = chosen.map(|at| &candidates[at]) else {
        return match candidates.first() {
            None => {
                format!("no known format reads any of {lines} lines; paste the server's log_format into the source")
            }
            Some(first) => format!("no format fits: {} at best", of(first)),
        };
    };
    let rival = candidates.iter().find(|c| c.name != best.name).map(|rival| match rival.count.cmp(&best.count) {
        Ordering::Less => format!("; next comes {} with {}", rival.name, rival.count),
        Ordering::Equal => format!("; {} reads as many but says less about each", rival.name),
        Ordering::Greater => format!("; {} reads {} but says less about each", rival.name, rival.count),
    });
    let others = (!also.is_empty()).then(|| format!("; other lines are read as {}", also.join(", ")));
    [of(best), rival.unwrap_or_default(), others.unwrap_or_default()].concat()
}
