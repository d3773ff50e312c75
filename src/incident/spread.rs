//! What an incident's requests consist of: what it explains elsewhere.

use serde::{Deserialize, Serialize};

use crate::event::Id;

/// So many of a kind are remembered.
const MOST: usize = 32;

/// Shares of an incident's requests by id, as far as known.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    /// By key.
    pub keys: Vec<(Id, f64)>,
    /// By endpoint.
    pub endpoints: Vec<(Id, f64)>,
    /// By client address or network.
    pub clients: Vec<(Id, f64)>,
}

impl Spread {
    /// Takes what the newest part of all its requests, a share of `newest`, consists of: 1 where nobody counted what was
    /// before. What is nearly over is still what it was.
    pub fn follow(&mut self, now: Spread, newest: f64) {
        follow(&mut self.keys, now.keys, newest);
        follow(&mut self.endpoints, now.endpoints, newest);
        follow(&mut self.clients, now.clients, newest);
    }
}

fn follow(known: &mut Vec<(Id, f64)>, now: Vec<(Id, f64)>, newest: f64) {
    // At midnight a day's counts begin anew and name nobody: what was known of it still explains others.
    if now.is_empty() {
        return;
    }
    let mut all = now;
    for (_, share) in &mut all {
        *share *= newest;
    }
    for &(id, share) in known.iter().filter(|_| newest < 1.0) {
        match all.iter_mut().find(|(of, _)| *of == id) {
            Some((_, sum)) => *sum += share * (1.0 - newest),
            None => all.push((id, share * (1.0 - newest))),
        }
    }
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(MOST);
    *known = all;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_over_is_still_what_it_was() {
        let of = |endpoints: &[(u64, f64)]| Spread {
            endpoints: endpoints.iter().map(|&(id, share)| (Id(id), share)).collect(),
            ..Spread::default()
        };
        let mut spread = Spread { keys: vec![(Id(9), 1.0)], ..Spread::default() };
        spread.follow(of(&[(1, 1.0)]), 1.0);
        spread.follow(of(&[(2, 0.6), (1, 0.4)]), 0.1);
        assert!((spread.endpoints[0].1 - 0.94).abs() < 1e-9 && spread.endpoints[0].0 == Id(1), "{spread:?}");
        assert!((spread.endpoints[1].1 - 0.06).abs() < 1e-9, "{spread:?}");
        assert_eq!(spread.keys, [(Id(9), 1.0)], "nobody is named: it stays");
        spread.follow(of(&[(2, 1.0)]), 1.0);
        assert_eq!(spread.endpoints, [(Id(2), 1.0)], "where nobody counts it is what it is now");
        for n in 0..1000 {
            spread.follow(of(&[(n, 1.0)]), 0.5);
        }
        assert!(spread.endpoints.len() <= MOST);
    }
}
