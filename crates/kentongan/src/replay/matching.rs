//! Which incidents of two runs are the same: those that overlap in time and share a root. Each has
//! at most one counterpart; where several would do, the one with the very same root goes first, and
//! among those the oldest.

use super::tally::Life;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What two runs do not have in common.
#[derive(Debug, Default)]
pub struct Differences<'a> {
    /// Only in the first.
    pub only_a: Vec<&'a Life>,
    /// Only in the second.
    pub only_b: Vec<&'a Life>,
    /// In both, and not equally urgent.
    pub other_priority: Vec<(&'a Life, &'a Life)>,
}

/// Compares two runs. What was merged into another is left out: the other one stands for it.
pub fn differences<'a>(
    a: impl Iterator<Item = &'a Life>,
    b: impl Iterator<Item = &'a Life>,
) -> Differences<'a> {
    let a: Vec<&Life> = a.filter(|l| !l.merged).collect();
    let b: Vec<&Life> = b.filter(|l| !l.merged).collect();
    let mut by_root: BTreeMap<&Arc<str>, Vec<usize>> = BTreeMap::new();
    for (n, life) in b.iter().enumerate() {
        for root in &life.roots {
            by_root.entry(root).or_default().push(n);
        }
    }
    let mut counterpart: Vec<Option<usize>> = vec![None; a.len()];
    let mut taken = vec![false; b.len()];
    for same_root in [true, false] {
        for (n, life) in
            a.iter().enumerate().filter(|(n, _)| counterpart[*n].is_none()).collect::<Vec<_>>()
        {
            let (from, to) = life.extent();
            let candidates: BTreeSet<usize> =
                life.roots.iter().filter_map(|r| by_root.get(r)).flatten().copied().collect();
            let fits = |m: &usize| {
                let other = b[*m];
                let (other_from, other_to) = other.extent();
                !taken[*m]
                    && from <= other_to
                    && other_from <= to
                    && (!same_root || other.root == life.root)
            };
            if let Some(m) = candidates.into_iter().find(fits) {
                taken[m] = true;
                counterpart[n] = Some(m);
            }
        }
    }
    let mut found = Differences::default();
    for (n, life) in a.iter().enumerate() {
        match counterpart[n] {
            None => found.only_a.push(life),
            Some(m) if b[m].priority != life.priority => found.other_priority.push((life, b[m])),
            Some(_) => {}
        }
    }
    found.only_b = b.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(l, _)| *l).collect();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{IncidentId, Priority, Timestamp};

    fn life(id: &str, root: &[&str], priority: Priority, from: i64, to: i64) -> Life {
        let root: Vec<Arc<str>> = root.iter().map(|r| Arc::from(*r)).collect();
        Life {
            id: IncidentId::from_text(id),
            roots: root.iter().cloned().collect(),
            root,
            devices: BTreeSet::new(),
            priority,
            spans: vec![(Timestamp::from_millis(from), Some(Timestamp::from_millis(to)))],
            merged: false,
        }
    }

    fn ids(lives: &[&Life]) -> Vec<String> {
        lives.iter().map(|l| l.id.to_string()).collect()
    }

    #[test]
    fn the_same_root_at_another_time_is_another_incident() {
        let a = [life("a1", &["x"], Priority::P2, 0, 10), life("a2", &["x"], Priority::P2, 50, 60)];
        let b = [life("b1", &["x"], Priority::P3, 55, 70)];
        let found = differences(a.iter(), b.iter());
        assert_eq!((ids(&found.only_a), ids(&found.only_b)), (vec!["a1".into()], vec![]));
        let [(x, y)] = &found.other_priority[..] else { panic!("{found:?}") };
        assert_eq!((x.id.as_str(), y.id.as_str()), ("a2", "b1"));
    }

    #[test]
    fn the_very_same_root_goes_before_a_shared_one() {
        let a =
            [life("a1", &["l", "x"], Priority::P1, 0, 9), life("a2", &["l"], Priority::P1, 0, 9)];
        let b = [life("b1", &["l"], Priority::P1, 0, 9), life("b2", &["y"], Priority::P1, 0, 9)];
        let found = differences(a.iter(), b.iter());
        assert_eq!(ids(&found.only_a), ["a1"]);
        assert_eq!(ids(&found.only_b), ["b2"]);
        assert!(found.other_priority.is_empty());
    }

    #[test]
    fn what_was_merged_is_stood_for_by_the_other() {
        let merged = Life { merged: true, ..life("a1", &["x"], Priority::P1, 0, 9) };
        let found_nothing = differences([merged].iter(), std::iter::empty()).only_a.is_empty();
        assert!(found_nothing);
    }
}
