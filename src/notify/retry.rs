//! When to try again.

use crate::notify::ChannelKind;
use crate::time::Span;

/// The first and the longest wait of the doubling.
const FIRST: Span = Span::SECOND;
const LONGEST: Span = Span::from_mins(5);
/// A wait of nothing would be a busy loop.
const SHORTEST: Span = Span::from_millis(250);
/// Mail: greylisting opens after some minutes, and a relay does not like to be asked every second.
const MAIL_LADDER_MINUTES: [i64; 5] = [1, 5, 15, 30, 60];

/// A message older than this is given up.
pub(super) const GIVE_UP_AFTER: Span = Span::from_hours(72);
/// So is one tried this often.
pub(super) const GIVE_UP_TRIES: u32 = 5_000;
/// How often a channel that is broken for good is tried.
pub(super) const PROBE: Span = Span::HOUR;
/// Answers that are none for this long mean that the channel is broken.
pub(super) const DOUBT: Span = Span::HOUR;

/// The wait after the `tries`-th failure in a row (from 1). Full jitter: any length up to the doubled one, so that
/// many senders do not come back at the same moment. `random` is any number.
pub(super) fn wait(kind: ChannelKind, tries: u32, after: Option<Span>, random: u64) -> Span {
    if let Some(after) = after {
        return after.clamp(SHORTEST, Span::HOUR);
    }
    let step = tries.saturating_sub(1) as usize;
    if kind == ChannelKind::Email {
        return Span::from_mins(MAIL_LADDER_MINUTES[step.min(MAIL_LADDER_MINUTES.len() - 1)]);
    }
    let ceiling = FIRST.times(1 << step.min(16)).min(LONGEST);
    Span::from_millis((random % (ceiling.millis() as u64 + 1)) as i64).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_five_minutes_with_jitter_and_obeys_the_receiver() {
        let ceiling = |tries: u32| (1000u64 << tries.saturating_sub(1).min(16)).min(300_000);
        let longest = |tries| wait(ChannelKind::Slack, tries, None, ceiling(tries));
        let waits: Vec<i64> = (1..=11).map(|tries| longest(tries).millis() / 1000).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(wait(ChannelKind::Slack, u32::MAX, None, 0), SHORTEST);
        for random in 0..5000u64 {
            let wait = wait(ChannelKind::Webhook, 3, None, random.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            assert!((SHORTEST..=Span::from_secs(4)).contains(&wait));
        }
        assert_eq!(wait(ChannelKind::Slack, 1, Some(Span::from_secs(30)), 7), Span::from_secs(30));
        assert_eq!(wait(ChannelKind::Slack, 1, Some(Span::DAY), 7), Span::HOUR);
    }

    #[test]
    fn mail_climbs_its_ladder() {
        let minutes: Vec<f64> = (1..=7).map(|tries| wait(ChannelKind::Email, tries, None, 3).mins_f64()).collect();
        assert_eq!(minutes, [1.0, 5.0, 15.0, 30.0, 60.0, 60.0, 60.0]);
    }
}
