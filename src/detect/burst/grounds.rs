//! The steps of a judgement on counts, in sentences.

use super::{Judgement, Now, hours};
use crate::detect::grounds::Grounds;
use crate::detect::scene::Scene;
use crate::measure::normal::WINDOWS_MIN;
use crate::measure::rows::Full;
use crate::time::Span;

/// Why a stream was found odd, window by window.
pub(super) fn grounds(full: &Full, scene: &Scene<'_>, judged: &Judgement, now: Now) -> Grounds {
    let normal = &full.normal;
    let hour = scene.hour % 24;
    let mut grounds = Grounds::bits(judged.bits, judged.need).line(format!(
        "Its own history is {}; usual at this hour is {} a minute.",
        span(normal.age(scene.end)),
        number(now.expected / 5.0)
    ));
    for (w, minutes) in WINDOWS_MIN.into_iter().enumerate() {
        let window = Span::from_mins(minutes);
        let (seen, expected) = match minutes {
            1 => (full.counts.ticks(scene.tick, 6) as f64, now.expected / 5.0),
            5 => (now.seen, now.expected),
            15 | 60 => {
                (full.counts.minutes(scene.minute(), minutes) as f64, normal.expected(scene.end, window, &scene.around))
            }
            _ => hours(full, scene, minutes / 60),
        };
        let spoke = if window == judged.window { "; this window spoke" } else { "" };
        grounds = grounds.line(format!(
            "In {}: {} seen, {} usual, up to {} allowed, spread beyond chance {:.2}{spoke}.",
            span(window),
            number(seen),
            number(expected),
            number(expected * judged.tolerance),
            normal.spread(w, scene.end, hour),
        ));
    }
    let peaks = (normal.peak_of_hour(hour, false), normal.peak_of_hour(hour, true));
    grounds = grounds.line(format!(
        "Its own second largest peaks around this hour: {} in 5 min, {} in 1 h.",
        number(peaks.0),
        number(peaks.1)
    ));
    if judged.own {
        grounds = grounds.line(format!(
            "Far beyond the largest five minutes of its earlier days ({}): that counts even where its history is short.",
            number(normal.peak_of_days())
        ));
    }
    if judged.streams > 0 {
        grounds = grounds.line(format!(
            "{} streams of its kind are judged every minute; that many chances ask for {:.0} bits.",
            judged.streams, judged.need
        ));
    }
    if scene.site_factor > 1.05 {
        grounds = grounds
            .line(format!("Everything was up {:.1} times together; that much was allowed for.", scene.site_factor));
    }
    grounds
}

fn number(x: f64) -> String {
    if x >= 10.0 { format!("{x:.0}") } else { format!("{x:.1}") }
}

fn span(span: Span) -> String {
    let minutes = span.mins_f64();
    match minutes {
        m if m < 1.5 => "1 min".to_owned(),
        m if m < 60.0 => format!("{m:.0} min"),
        m if m < 48.0 * 60.0 => format!("{:.0} h", m / 60.0),
        m => format!("{:.0} days", m / 1440.0),
    }
}
