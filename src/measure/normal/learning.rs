//! How an hour that is over changes what is usual.

use super::{
    BURSTS_DECAY, DAY_DECAY, LEVEL_DECAY, Normal, PEAK_DECAY, PRIOR_SPREAD, SHORT_DECAY, SPREAD_DECAY, Sums,
    Surroundings, WEEK_DECAY,
};
use crate::measure::calendar::Moment;
use crate::measure::ring::Counts;
use crate::time::{Span, Timestamp};

impl Normal {
    /// The rates at the beginning, in the middle and at the end of an hour.
    fn rates(&self, start: Timestamp, around: &Surroundings<'_>) -> [f32; 3] {
        let level = self.level(around.population_mean) as f32;
        let factor = self.short_factor();
        // The three moments share their hours.
        [0, 30, 60].map(|minute| {
            let at = Moment::at(start + Span::from_mins(minute), around.zone);
            let here = self.remembered_rate(at.hour, level);
            let near = if at.weight > 0.0 { self.remembered_rate(at.near, level) } else { here };
            (f64::from((1.0 - at.weight) * here + at.weight * near) * factor) as f32
        })
    }

    pub(super) fn learn_hour(&mut self, hour: i64, counts: &Counts, around: &Surroundings<'_>) {
        let start = Timestamp::of_bucket(hour, Span::HOUR);
        let end = start + Span::HOUR;
        let exposure = around.calendar.exposure(hour) as f32;
        let middle = Moment::at(start + Span::from_mins(30), around.zone);
        let (how, hod) = (middle.hour, middle.hour % 24);
        let total = counts.hours.get(hour) as f32;
        // What everybody does may be taught, but no more than a large campaign: an attack by many keys is not usual.
        let g = around.calendar.site_factor(hour).min(3.0) as f32;

        let expected_per_minute = self.rate(middle, around) as f32;
        let expected = expected_per_minute * exposure;
        let open = self.open_since.map(|since| end - since);
        let learn_mean = open.is_none_or(|open| open <= Span::from_hours(2) || teaches_again(open));
        let learn_spread = exposure >= 60.0 && open.is_none_or(|open| open <= Span::HOUR);
        let learn_overall = open.is_none_or(|open| open <= Span::from_hours(6));

        if learn_spread {
            self.learn_spread(hour, counts, around, hod);
        }
        if learn_overall {
            self.learn_peaks(hour, counts, around, hod, learn_mean);
        }

        // An hour teaches at most what a wild but usual hour could bring.
        let mut taught = total;
        if total > 0.0 && end - self.born >= Span::DAY {
            let alpha = self.spread(3, end, hod) as f32;
            let cap = expected * (1.0 + 4.0 * (alpha + 1.0 / expected.max(0.1)).sqrt()) * g + 3.0;
            taught = taught.min(cap);
        }
        self.level = (self.level.0 * LEVEL_DECAY, self.level.1 * LEVEL_DECAY);
        if learn_mean {
            self.level.0 += taught;
            self.level.1 += exposure;
            let (a, b) = self.by_hour_of_day[hod].get();
            self.by_hour_of_day[hod].set(a * DAY_DECAY + taught, b * DAY_DECAY + exposure);
            let (a, b) = self.by_hour_of_week[how].get();
            self.by_hour_of_week[how].set(a * WEEK_DECAY + taught, b * WEEK_DECAY + exposure);
            let usual = expected / self.short_factor() as f32;
            self.short = (self.short.0 * SHORT_DECAY + taught, self.short.1 * SHORT_DECAY + usual);
        }
        self.bursts *= BURSTS_DECAY;
    }

    /// Adds the hour's non-overlapping windows to the sums of the spread.
    fn learn_spread(&mut self, hour: i64, counts: &Counts, around: &Surroundings<'_>, hod: usize) {
        for sums in &mut self.spread {
            sums.over *= SPREAD_DECAY;
            sums.weight *= SPREAD_DECAY;
        }
        let start = Timestamp::of_bucket(hour, Span::HOUR);
        // The expectation is linear between hour centres: three points give every minute of the hour.
        let [first, middle, last] = self.rates(start, around);
        let minute_rate = |i: usize| {
            let x = (i as f32 + 0.5) / 30.0;
            if x < 1.0 { first + (middle - first) * x } else { middle + (last - middle) * (x - 1.0) }
        };
        let silent = counts.hours.get(hour) == 0;
        let mut minutes = [0u32; 60];
        if !silent {
            counts.mins.copy(start.bucket(Span::MINUTE), &mut minutes);
        }
        let alphas: [f32; 4] = std::array::from_fn(|w| {
            (PRIOR_SPREAD.1 * PRIOR_SPREAD.0 + self.spread[w].over) / (PRIOR_SPREAD.1 + self.spread[w].weight)
        });
        for (w, length) in [1usize, 5, 15, 60].into_iter().enumerate() {
            let mut sums = Sums::default();
            let lowest = first.min(middle).min(last);
            if length == 1 && lowest >= LEAST_RATE {
                // Most minutes of most streams are empty.
                sums = empty_minutes([first, middle, last]);
                let some = if silent { &[][..] } else { &minutes[..] };
                for (i, &x) in some.iter().enumerate().filter(|(_, x)| **x > 0) {
                    let m = minute_rate(i);
                    let empty = m * m;
                    let mut one = Sums { over: -empty, weight: -empty };
                    add_window(&mut one, x as f32, m, alphas[w]);
                    sums.over += one.over + m;
                }
            } else {
                for k in 0..60 / length {
                    let m = length as f32 * minute_rate(k * length + length / 2).max(LEAST_RATE);
                    let x = if silent { 0 } else { minutes[k * length..(k + 1) * length].iter().sum() };
                    add_window(&mut sums, x as f32, m, alphas[w]);
                }
            }
            self.spread[w].over += sums.over;
            self.spread[w].weight += sums.weight;
            if w == 1 {
                let here = &mut self.spread_of_hour[hod];
                let decay = WEEK_DECAY.powf(1.0 / 7.0);
                *here = Sums { over: here.over * decay + sums.over, weight: here.weight * decay + sums.weight };
            }
        }
        // Six hours and a day, when one of them is over.
        for (w, hours) in [(4usize, 6i64), (5, 24)] {
            if (hour + 1) % hours == 0 {
                let x = counts.hours.sum(hour - hours + 1, hour) as f32;
                let end = Timestamp::of_bucket(hour + 1, Span::HOUR);
                let m = self.expected(end, Span::from_hours(hours), around) as f32;
                let alpha =
                    (PRIOR_SPREAD.1 * PRIOR_SPREAD.0 + self.spread[w].over) / (PRIOR_SPREAD.1 + self.spread[w].weight);
                add_window(&mut self.spread[w], x, m.max(1e-4), alpha);
            }
        }
    }

    fn learn_peaks(&mut self, hour: i64, counts: &Counts, around: &Surroundings<'_>, hod: usize, of_hour: bool) {
        let start = Timestamp::of_bucket(hour, Span::HOUR);
        let first = start.bucket(Span::MINUTE);
        let sixty = counts.hours.get(hour) as f32;
        let mut five = 0u64;
        if sixty > 0.0 {
            // Five minutes that end with each minute of the hour.
            let mut minutes = [0u32; 64];
            counts.mins.copy(first - 4, &mut minutes);
            let mut window: u64 = minutes[..4].iter().map(|&n| u64::from(n)).sum();
            for (entering, leaving) in minutes[4..].iter().zip(&minutes) {
                window += u64::from(*entering);
                five = five.max(window);
                window -= u64::from(*leaving);
            }
        }
        let day = (start + around.zone.offset(start)).bucket(Span::DAY);
        if day != self.day {
            if self.day != i64::MIN {
                for (top, today) in self.overall.iter_mut().zip(self.today) {
                    top.decay(PEAK_DECAY);
                    top.put(today);
                }
            }
            self.day = day;
            self.today = [0.0; 3];
        }
        let six_hours = counts.hours.sum(hour - 5, hour) as f32;
        for (today, x) in self.today.iter_mut().zip([five as f32, sixty, six_hours]) {
            *today = today.max(x);
        }
        if of_hour {
            let peaks = &mut self.peaks[hod];
            peaks.five.decay(PEAK_DECAY);
            peaks.sixty.decay(PEAK_DECAY);
            peaks.five.put(five as f32);
            peaks.sixty.put(sixty);
        }
    }
}

/// An incident that goes on for days teaches the first two hours of each further day, so that a new normal is accepted
/// slowly and never within a day. From the seventh day on it is normal.
fn teaches_again(open: Span) -> bool {
    open >= Span::from_days(7) || (open >= Span::DAY && open.millis() % Span::DAY.millis() <= 2 * Span::HOUR.millis())
}

/// No minute is expected to bring less.
const LEAST_RATE: f32 = 1e-4;

/// What sixty empty windows of a minute add to the sums, where the rate goes straight from the first of three to the second
/// in half an hour, and on to the third: `m` squared less `m`, and `m` squared, added up.
fn empty_minutes(rates: [f32; 3]) -> Sums {
    // Of (i + 1/2) / 30 for i from 0 to 29: their sum, and that of their squares.
    const SUM: f32 = 15.0;
    const SQUARES: f32 = 8997.5 / 900.0;
    let half = |from: f32, to: f32| {
        let slope = to - from;
        let sum = 30.0 * from + SUM * slope;
        (sum, 30.0 * from * from + 2.0 * from * slope * SUM + slope * slope * SQUARES)
    };
    let [first, middle, last] = rates;
    let ((sum, squares), (more, further)) = (half(first, middle), half(middle, last));
    Sums { over: squares + further - (sum + more), weight: squares + further }
}

/// One window of `x` events where `m` were expected; a wild window is cut at eight standard deviations.
fn add_window(sums: &mut Sums, x: f32, m: f32, alpha: f32) {
    let mut d = x - m;
    // What is below the mean is below any cut above it.
    if d > 0.0 {
        let sd = (m + alpha.max(0.0) * m * m).sqrt();
        d = d.min(8.0 * sd + 3.0);
    }
    sums.over += d * d - m;
    sums.weight += m * m;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_minutes_add_up_to_what_each_of_them_adds() {
        for rates in [[0.2f32, 0.2, 0.2], [0.001, 4.0, 0.3], [90.0, 0.5, 12.0], [1e-4, 2e-4, 1e-4]] {
            let [first, middle, last] = rates;
            let mut each = Sums::default();
            for i in 0..60 {
                let x = (i as f32 + 0.5) / 30.0;
                let m = if x < 1.0 { first + (middle - first) * x } else { middle + (last - middle) * (x - 1.0) };
                add_window(&mut each, 0.0, m, 0.25);
            }
            let all = empty_minutes(rates);
            let close = |a: f32, b: f32| (a - b).abs() <= 1e-5 * (a.abs() + b.abs()) + 1e-6;
            assert!(close(all.over, each.over) && close(all.weight, each.weight), "{rates:?}: {all:?} {each:?}");
        }
    }
}
