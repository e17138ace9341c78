//! What a directory holds, by name and in the order in which it is listed.
//!
//! An entry keeps its place in that order as long as it exists, so that a listing in parts misses none and shows none
//! twice, whatever is added and removed between the parts. New entries come first: a program that makes files while it
//! lists their directory still comes to an end.

use super::files::NodeId;
use alloc::collections::BTreeMap;
use alloc::string::String;

/// Places 1 and 2 are those of `.` and `..`.
const LOWEST_PLACE: u32 = 3;

/// C libraries keep a place in a `long`, which has 32 bits here and a sign.
const HIGHEST_PLACE: u32 = i32::MAX as u32;

/// The entries of one directory, `.` and `..` not among them.
#[derive(Debug, Default)]
pub struct Entries {
    places: BTreeMap<String, u32>,
    by_place: BTreeMap<u32, (String, NodeId)>,
}

impl Entries {
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<NodeId> {
        let place = self.places.get(name)?;
        self.by_place.get(place).map(|(_, node)| *node)
    }

    /// Adds an entry whose name is not there yet.
    pub fn insert(&mut self, name: &str, node: NodeId) {
        if self.by_place.first_key_value().is_some_and(|(&first, _)| first == LOWEST_PLACE) {
            // After two thousand million new entries. Listings under way begin anew.
            self.sort();
        }
        let place = self.by_place.first_key_value().map_or(HIGHEST_PLACE, |(first, _)| first - 1);
        self.places.insert(name.into(), place);
        self.by_place.insert(place, (name.into(), node));
    }

    pub fn remove(&mut self, name: &str) -> Option<NodeId> {
        let place = self.places.remove(name)?;
        self.by_place.remove(&place).map(|(_, node)| node)
    }

    /// Gives the entry `old` the name `new`, which is not there yet, and leaves it in its place.
    pub fn rename(&mut self, old: &str, new: &str) {
        if let Some(place) = self.places.remove(old) {
            self.places.insert(new.into(), place);
            if let Some((name, _)) = self.by_place.get_mut(&place) {
                *name = new.into();
            }
        }
    }

    /// The entries after `place`, each with its own.
    pub fn after(&self, place: u32) -> impl Iterator<Item = (u32, &str, NodeId)> {
        let rest = place.checked_add(1).map(|next| self.by_place.range(next..));
        rest.into_iter().flatten().map(|(&place, (name, node))| (place, name.as_str(), *node))
    }

    /// Lists by name from now on.
    pub fn sort(&mut self) {
        let mut by_place = BTreeMap::new();
        for (place, (name, old)) in (0..=HIGHEST_PLACE).rev().zip(self.places.iter_mut().rev()) {
            if let Some(entry) = self.by_place.remove(old) {
                by_place.insert(place, entry);
            }
            debug_assert!(by_place.get(&place).is_some_and(|(kept, _)| kept == name));
            *old = place;
        }
        self.by_place = by_place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn entries(names: &[&str]) -> Entries {
        let mut entries = Entries::default();
        names.iter().for_each(|name| entries.insert(name, NodeId::ROOT));
        entries
    }

    fn names(entries: &Entries, after: u32) -> Vec<&str> {
        entries.after(after).map(|(_, name, _)| name).collect()
    }

    #[test]
    fn lists_the_newest_first_and_by_name_once_sorted() {
        let mut entries = entries(&["b", "a", "c"]);
        assert_eq!(names(&entries, 0), ["c", "a", "b"]);
        entries.sort();
        assert_eq!(names(&entries, 0), ["a", "b", "c"]);
        entries.insert("z", NodeId::ROOT);
        assert_eq!(names(&entries, 0), ["z", "a", "b", "c"]);
    }

    #[test]
    fn places_hold_while_others_come_and_go() {
        let mut entries = entries(&["a", "b", "c", "d"]);
        let (place, _, _) = entries.after(0).nth(1).unwrap();
        assert_eq!(names(&entries, place), ["b", "a"]);
        entries.remove("d");
        entries.remove("c");
        entries.insert("new", NodeId::ROOT);
        entries.rename("a", "renamed");
        assert_eq!(names(&entries, place), ["b", "renamed"]);
        assert_eq!(entries.get("renamed"), Some(NodeId::ROOT));
        assert_eq!((entries.get("a"), entries.get("c")), (None, None));
    }

    #[test]
    fn begins_anew_when_the_places_are_used_up() {
        let mut entries = Entries::default();
        entries.places.insert("old".into(), LOWEST_PLACE);
        entries.by_place.insert(LOWEST_PLACE, ("old".into(), NodeId::ROOT));
        entries.insert("new", NodeId::ROOT);
        assert_eq!(names(&entries, 2), ["new", "old"]);
        assert_eq!(names(&entries, u32::MAX), [""; 0]);
    }
}
