//! A table with a row for each class. Classes are numbered, so that no hash is needed to find one.

use std::ops::Index;

use egg::Id;

/// What is noted of some classes.
pub(super) struct ByClass<T>(Vec<Option<T>>);

impl<T> Default for ByClass<T> {
    fn default() -> ByClass<T> {
        ByClass(vec![])
    }
}

impl<T> ByClass<T> {
    pub(super) fn get(&self, class: Id) -> Option<&T> {
        self.0.get(usize::from(class))?.as_ref()
    }

    pub(super) fn contains(&self, class: Id) -> bool {
        self.get(class).is_some()
    }

    /// The row of a class, new or not.
    pub(super) fn entry(&mut self, class: Id) -> &mut Option<T> {
        let place = usize::from(class);
        if place >= self.0.len() {
            self.0.resize_with(place + 1, || None);
        }
        &mut self.0[place]
    }

    pub(super) fn insert(&mut self, class: Id, value: T) {
        *self.entry(class) = Some(value);
    }
}

impl<T> Index<Id> for ByClass<T> {
    type Output = T;

    fn index(&self, class: Id) -> &T {
        self.get(class).expect("a class that was noted")
    }
}
