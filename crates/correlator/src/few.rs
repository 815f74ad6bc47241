//! A set that is nearly always empty: then it takes one word. There is one for each device and link.

use std::collections::BTreeSet;

/// A set of few, in order.
#[allow(clippy::box_collection, reason = "one word instead of three, a million times")]
#[derive(Debug, Clone)]
pub(crate) struct Few<T>(Option<Box<BTreeSet<T>>>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few(None)
    }
}

impl<T: Ord> Few<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn contains(&self, x: &T) -> bool {
        self.0.as_ref().is_some_and(|s| s.contains(x))
    }

    /// True when it was not in it.
    pub(crate) fn insert(&mut self, x: T) -> bool {
        self.0.get_or_insert_default().insert(x)
    }

    /// True when it was in it.
    pub(crate) fn remove(&mut self, x: &T) -> bool {
        let Some(s) = &mut self.0 else { return false };
        let was = s.remove(x);
        if s.is_empty() {
            self.0 = None;
        }
        was
    }

    pub(crate) fn iter(&self) -> std::iter::Flatten<std::option::IntoIter<&BTreeSet<T>>> {
        self.0.as_deref().into_iter().flatten()
    }
}

impl<'a, T: Ord> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::iter::Flatten<std::option::IntoIter<&'a BTreeSet<T>>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Flatten<std::option::IntoIter<BTreeSet<T>>>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|s| *s).into_iter().flatten()
    }
}
