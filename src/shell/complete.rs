//! What may have been meant: names that begin as the word that is typed, and names that are spelt almost alike.

use alloc::string::String;
use alloc::vec::Vec;

/// Choices that are offered at most.
const CHOICES: usize = 60;
/// Names that are suggested at most.
const SUGGESTIONS: usize = 3;

/// What Tab leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// What is certain to come next.
    pub insert: String,
    /// What it may go on as, where that is not certain and nothing is inserted.
    pub choices: Vec<String>,
}

/// Completes the last word of `before` to one of `candidates`.
pub fn complete(before: &str, candidates: &[String]) -> Completion {
    let word = last_word(before);
    let mut fitting: Vec<&String> = candidates.iter().filter(|name| name.starts_with(word)).collect();
    fitting.sort();
    fitting.dedup();
    let Some(first) = fitting.first() else { return Completion::default() };
    let common = fitting.iter().fold(first.as_str(), |common, name| common_start(common, name));
    let mut insert = String::from(&common[word.len()..]);
    if fitting.len() == 1 {
        insert.push(' ');
    }
    let choices = if insert.is_empty() { fitting.into_iter().take(CHOICES).cloned().collect() } else { Vec::new() };
    Completion { insert, choices }
}

/// The word that ends `before`; empty behind a space.
pub fn last_word(before: &str) -> &str {
    before.rsplit(' ').next().unwrap_or_default()
}

fn common_start<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.char_indices().zip(other.chars()).find(|((_, one), other)| one != other);
    let end = same.map_or(one.len().min(other.len()), |((at, _), _)| at);
    &one[..end]
}

/// Those of `names` that `word` is likely to stand for, the most likely first.
pub fn suggestions<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let distance = if !word.is_empty() && name.contains(word) { 0 } else { distance(word, name, most)? };
            Some((distance, name))
        })
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(SUGGESTIONS).collect()
}

/// How many characters have to be put in, taken out, replaced or swapped with the next; none if more than `most`.
fn distance(one: &str, other: &str, most: usize) -> Option<usize> {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, from) in one.iter().enumerate() {
        let mut row = alloc::vec![i + 1];
        for (j, to) in other.iter().enumerate() {
            let replaced = last[j] + usize::from(from != to);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == other[j - 1] && one[i - 1] == *to {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = core::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| String::from(*name)).collect()
    }

    #[test]
    fn tab_inserts_what_is_certain_and_lists_what_is_not() {
        let all = names(&["run", "reboot", "résumé", "rés"]);
        let done = |before| complete(before, &all);
        assert_eq!(done("ru").insert, "n ");
        assert_eq!(done("x ré"), Completion { insert: "s".into(), choices: Vec::new() });
        assert_eq!(
            done("r"),
            Completion { insert: String::new(), choices: names(&["reboot", "run", "rés", "résumé"]) }
        );
        assert_eq!(done("z"), Completion::default());
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let all = ["help", "history", "store_record", "store"];
        let near = |word| suggestions(word, all.into_iter());
        assert_eq!(near("hlep"), ["help"]);
        assert_eq!(near("histroy"), ["history"]);
        assert_eq!(near("record"), ["store_record"]);
        assert!(near("quux").is_empty());
        assert!(near("").is_empty());
    }
}
