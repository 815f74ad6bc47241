//! A set that is nearly always empty: then it takes one word. There is one for each device and link.

use smallvec::SmallVec;

/// A set of few, in order.
#[allow(clippy::box_collection, reason = "one word instead of three, a million times")]
#[derive(Debug, Clone)]
pub(crate) struct Few<T>(Option<Box<SmallVec<[T; 4]>>>);

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
        self.0.as_ref().is_some_and(|s| s.binary_search(x).is_ok())
    }

    /// True when it was not in it.
    pub(crate) fn insert(&mut self, x: T) -> bool {
        let s = self.0.get_or_insert_default();
        let place = s.binary_search(&x);
        if let Err(place) = place {
            s.insert(place, x);
        }
        place.is_err()
    }

    /// True when it was in it.
    pub(crate) fn remove(&mut self, x: &T) -> bool {
        let Some(s) = &mut self.0 else { return false };
        let place = s.binary_search(x);
        if let Ok(place) = place {
            s.remove(place);
        }
        if s.is_empty() {
            self.0 = None;
        }
        place.is_ok()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.as_deref().map(SmallVec::as_slice).unwrap_or_default().iter()
    }
}

impl<'a, T: Ord> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = smallvec::IntoIter<[T; 4]>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|s| *s).unwrap_or_default().into_iter()
    }
}
