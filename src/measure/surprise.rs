//! How surprising a count is: -log2 of the probability of at least (or at most) this much under a model, in bits.
//!
//! Every tail is bounded from above, so that bits are never overstated; one evaluation costs a handful of log-gammas,
//! whatever the counts. Bits are internal: no text shows them.

use statrs::function::gamma::ln_gamma;

/// The most bits any function here answers with: far beyond every threshold, and finite, so that sums stay finite.
pub const MAX_BITS: f64 = 1000.0;

/// Means below this are taken as this: a stream that never had a request is not infinitely surprising.
const MIN_MEAN: f64 = 1e-9;

/// Smallest spread: below it the negative binomial is a Poisson distribution for every count that occurs.
const MIN_ALPHA: f64 = 1e-6;

/// Largest spread: beyond it nothing is surprising.
const MAX_ALPHA: f64 = 1e6;

/// Terms of a beta-binomial tail that are summed one by one before the rest is bounded by a geometric series.
const EXACT_TERMS: u32 = 64;

/// Surprise of at least `x` when the count is negative binomial with this `mean` and variance
/// `mean + alpha mean²`. 0 at or below the mean; a fraction of `x` is dropped.
///
/// The tail is bounded by `pmf(x) / (1 - q)`, where `q` is the largest ratio of neighbouring probabilities from `x` on:
/// `mean / (mean + r)` with `r = 1 / alpha`, times `(x + r) / (x + 1)` when `r >= 1`. Against exact sums this is 0 to 0.5
/// bits too few.
pub fn nb_tail_bits(x: f64, mean: f64, alpha: f64) -> f64 {
    let Some((x, mean, r)) = negative_binomial(x, mean, alpha) else { return 0.0 };
    if x <= mean {
        return 0.0;
    }
    // 1 - q without cancellation.
    let rest = if r >= 1.0 { (mean + r * x + r - mean * r) / ((mean + r) * (x + 1.0)) } else { r / (mean + r) };
    bits(negative_binomial_ln_pmf(x, mean, r) - rest.ln())
}

/// Surprise of at most `x` when the count is negative binomial with this `mean` and variance `mean + alpha mean²`. 0 at
/// or above the mean; a fraction of `x` is rounded up.
///
/// The tail is the smaller of two upper bounds: a geometric series downwards from `x` (good below the mode), and
/// `pmf(0) Γ(x + 1 + r) / (Γ(x + 1) Γ(1 + r))`, which is the sum with `q^k` taken as 1 (good for wide spreads, which have
/// no mode above 0).
pub fn nb_lower_tail_bits(x: f64, mean: f64, alpha: f64) -> f64 {
    let Some((x, mean, r)) = negative_binomial(x.max(0.0).ceil(), mean, alpha) else { return 0.0 };
    if x >= mean {
        return 0.0;
    }
    let flat = -r * (mean / r).ln_1p() + ln_gamma(x + 1.0 + r) - ln_gamma(x + 1.0) - ln_gamma(1.0 + r);
    let ratio = x * (mean + r) / (mean * (x - 1.0 + r));
    // Downwards the ratio only falls when r >= 1; below that the series is no bound.
    let series =
        if r >= 1.0 && ratio < 1.0 { negative_binomial_ln_pmf(x, mean, r) - (-ratio).ln_1p() } else { f64::INFINITY };
    bits(flat.min(series))
}

/// Surprise of at least `errors` failures among `n` requests when the share that fails has this `mean` and spread
/// `alpha` (variance over squared mean): a beta-binomial distribution with `a + b = max(2, (1 - mean) / (mean alpha) - 1)`.
/// 0 at or below the mean.
///
/// The first terms are summed, the rest is bounded by a geometric series; against exact sums 0 to 1.7 bits too few.
/// Where the share itself is so uncertain that it may well be everything (`b < 1`), only the last few counts are tried.
pub fn beta_binomial_tail_bits(errors: f64, n: f64, mean: f64, alpha: f64) -> f64 {
    if !(errors.is_finite() && n.is_finite() && mean.is_finite() && alpha.is_finite()) || mean >= 1.0 {
        return 0.0;
    }
    let mean = mean.max(MIN_MEAN);
    let n = n.floor();
    let errors = errors.floor().min(n);
    if errors <= n * mean || errors < 1.0 {
        return 0.0;
    }
    let both = ((1.0 - mean) / (mean * alpha.max(MIN_ALPHA)) - 1.0).max(2.0);
    let (a, b) = (mean * both, (1.0 - mean) * both);
    let ln_first = ln_gamma(n + 1.0) - ln_gamma(errors + 1.0) - ln_gamma(n - errors + 1.0)
        + ln_gamma(errors + a)
        + ln_gamma(n - errors + b)
        - ln_gamma(n + both)
        - (ln_gamma(a) + ln_gamma(b) - ln_gamma(both));
    // In units of the first term.
    let (mut sum, mut term, mut k) = (1.0, 1.0, errors);
    for _ in 0..EXACT_TERMS {
        if k >= n {
            break;
        }
        term *= (n - k) * (k + a) / ((k + 1.0) * (n - k - 1.0 + b));
        sum += term;
        k += 1.0;
    }
    let left = n - k;
    if left > 0.0 && b < 1.0 {
        return 0.0;
    }
    if left > 0.0 {
        // With b >= 1 the first factor falls from here on; the second falls for a >= 1 and stays below 1 for a < 1.
        let ratio = left / (left - 1.0 + b) * if a >= 1.0 { (k + a) / (k + 1.0) } else { 1.0 };
        // Never more than `left` further terms, each at most the ratio of the one before.
        sum += term * if ratio < 1.0 { (ratio / (1.0 - ratio)).min(left) } else { left * ratio.powf(left).min(1e300) };
    }
    bits(ln_first + sum.ln())
}

/// `x`, `mean` and `r = 1 / alpha` made fit for the formulas; nothing if one of them is not a number.
fn negative_binomial(x: f64, mean: f64, alpha: f64) -> Option<(f64, f64, f64)> {
    if !(x.is_finite() && mean.is_finite() && alpha.is_finite()) {
        return None;
    }
    Some((x.floor(), mean.max(MIN_MEAN), 1.0 / alpha.clamp(MIN_ALPHA, MAX_ALPHA)))
}

/// The natural logarithm of the probability of exactly `x`.
fn negative_binomial_ln_pmf(x: f64, mean: f64, r: f64) -> f64 {
    ln_gamma(x + r) - ln_gamma(r) - ln_gamma(x + 1.0) - r * (mean / r).ln_1p() - x * (r / mean).ln_1p()
}

/// From a natural logarithm of a probability, or of a bound above one.
fn bits(ln_probability: f64) -> f64 {
    let bits = -ln_probability / std::f64::consts::LN_2;
    if bits.is_nan() { 0.0 } else { bits.clamp(0.0, MAX_BITS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums the probabilities term by term, smallest last.
    fn exact_upper(x: f64, mean: f64, alpha: f64) -> f64 {
        let r = 1.0 / alpha;
        let q = mean / (mean + r);
        let first = negative_binomial_ln_pmf(x, mean, r);
        let (mut sum, mut term, mut k) = (1.0, 1.0, x);
        while term > sum * 1e-14 {
            term *= q * (k + r) / (k + 1.0);
            sum += term;
            k += 1.0;
        }
        -(first + sum.ln()) / std::f64::consts::LN_2
    }

    fn exact_lower(x: f64, mean: f64, alpha: f64) -> f64 {
        let r = 1.0 / alpha;
        let sum: f64 = (0..=x as u32).map(|k| negative_binomial_ln_pmf(f64::from(k), mean, r).exp()).sum();
        -sum.log2()
    }

    #[test]
    fn upper_tail_is_never_overstated_and_close() {
        let mut seen = 0;
        for alpha in [0.01, 0.05, 0.25, 0.9, 1.0, 1.5, 7.0] {
            for mean in [0.01, 0.3, 2.0, 25.0, 400.0, 9000.0] {
                for factor in [1.5, 2.0, 4.0, 10.0, 60.0, 1000.0] {
                    let x = f64::ceil(mean * factor);
                    let (exact, ours) = (exact_upper(x, mean, alpha), nb_tail_bits(x, mean, alpha));
                    assert!(ours <= exact + 1e-6, "x {x} mean {mean} alpha {alpha}: {ours} > {exact}");
                    if (10.0..100.0).contains(&exact) {
                        seen += 1;
                        assert!(exact - ours <= 0.5, "x {x} mean {mean} alpha {alpha}: {ours} for {exact}");
                    }
                }
            }
        }
        assert!(seen > 30, "only {seen} cases in the range that decides");
    }

    #[test]
    fn lower_tail_is_never_overstated_and_close() {
        let mut seen = 0;
        for alpha in [0.01, 0.05, 0.25, 0.9, 1.0, 1.5, 7.0] {
            for mean in [1.0, 30.0, 400.0, 9000.0] {
                for factor in [0.0, 0.01, 0.05, 0.2, 0.5, 0.9] {
                    let x = f64::floor(mean * factor);
                    let (exact, ours) = (exact_lower(x, mean, alpha), nb_lower_tail_bits(x, mean, alpha));
                    assert!(ours <= exact + 1e-6, "x {x} mean {mean} alpha {alpha}: {ours} > {exact}");
                    if (10.0..100.0).contains(&exact) && factor <= 0.2 {
                        seen += 1;
                        assert!(exact - ours <= 0.5, "x {x} mean {mean} alpha {alpha}: {ours} for {exact}");
                    }
                }
            }
        }
        assert!(seen > 10, "only {seen} cases in the range that decides");
    }

    #[test]
    fn beta_binomial_tail_is_never_overstated_and_close() {
        let mut seen = 0;
        for alpha in [0.05, 0.3, 1.0, 3.0] {
            for mean in [0.005, 0.02, 0.1, 0.4, 0.8] {
                for n in [10.0, 100.0, 3000.0, 20000.0] {
                    for share in [0.02, 0.1, 0.3, 0.7, 1.0] {
                        let errors = f64::ceil(n * share);
                        if errors <= n * mean {
                            continue;
                        }
                        let both = f64::max(2.0, (1.0 - mean) / (mean * alpha) - 1.0);
                        let (a, b) = (mean * both, (1.0 - mean) * both);
                        let ln_pmf = |k: f64| {
                            ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
                                + ln_gamma(k + a)
                                + ln_gamma(n - k + b)
                                - ln_gamma(n + both)
                                - (ln_gamma(a) + ln_gamma(b) - ln_gamma(both))
                        };
                        let sum: f64 = (errors as u32..=n as u32).map(|k| ln_pmf(f64::from(k)).exp()).sum();
                        let (exact, ours) = (-sum.log2(), beta_binomial_tail_bits(errors, n, mean, alpha));
                        if exact.is_finite() {
                            assert!(ours <= exact + 1e-5, "{errors} of {n}, {mean}, {alpha}: {ours} > {exact}");
                        }
                        if (10.0..100.0).contains(&exact) {
                            seen += 1;
                            assert!(exact - ours <= 1.7, "{errors} of {n}, {mean}, {alpha}: {ours} for {exact}");
                        }
                    }
                }
            }
        }
        assert!(seen > 10, "only {seen} cases in the range that decides");
    }

    #[test]
    fn the_usual_is_no_surprise_and_nothing_is_infinite() {
        assert_eq!(nb_tail_bits(10.0, 10.0, 0.25), 0.0);
        assert_eq!(nb_lower_tail_bits(10.0, 10.0, 0.25), 0.0);
        assert_eq!(beta_binomial_tail_bits(2.0, 100.0, 0.02, 0.3), 0.0);
        let odd = [0.0, -1.0, 1e-300, 1e15, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        for x in odd {
            for mean in odd {
                for alpha in odd {
                    let others = odd.map(|n| beta_binomial_tail_bits(x, n, mean, alpha));
                    for value in [nb_tail_bits(x, mean, alpha), nb_lower_tail_bits(x, mean, alpha)] {
                        assert!((0.0..=MAX_BITS).contains(&value), "{x} {mean} {alpha}: {value}");
                    }
                    assert!(others.iter().all(|v| (0.0..=MAX_BITS).contains(v)), "{x} {mean} {alpha}: {others:?}");
                }
            }
        }
    }
}
