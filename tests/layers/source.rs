//! Rust source, read just closely enough to see what it names.

use std::fs;
use std::path::Path;

/// A file, without its comments, literals and test code.
pub struct Source {
    /// From the root of the package, such as `src/store/mod.rs`.
    pub path: String,
    /// In the whole file.
    pub lines: usize,
    code: String,
    test_modules: Vec<String>,
}

/// Every Rust file under `folder`, in order of their paths. Files that are modules for tests are left empty.
pub fn sources(root: &Path, folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    list(&root.join(folder), &mut paths);
    let relative = |path: &str| path.strip_prefix(root.to_str().unwrap()).unwrap().trim_start_matches('/').to_owned();
    let read = |path: &String| Source::parse(&relative(path), &fs::read_to_string(path).unwrap());
    let mut sources: Vec<Source> = paths.iter().map(read).collect();
    let tests: Vec<String> = sources.iter().flat_map(|source| source.test_modules.clone()).collect();
    for source in &mut sources {
        let in_module = |module: &String| {
            source.path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        if tests.iter().any(in_module) {
            source.code.clear();
        }
    }
    sources
}

fn list(folder: &Path, paths: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            list(&entry, paths);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            paths.push(entry.to_str().unwrap().to_owned());
        }
    }
}

impl Source {
    pub fn parse(path: &str, text: &str) -> Self {
        let code = without_literals(text);
        let test_modules = declared_test_modules(path, &code);
        Source { path: path.into(), lines: text.lines().count(), code: without_test_blocks(&code), test_modules }
    }

    /// The code, every line in its place, with blanks for what is left out.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Paths, without extension, of the modules that are declared here for tests only.
    pub fn test_modules(&self) -> &[String] {
        &self.test_modules
    }

    /// The module in `parent` (`crate` or `crate::NAME`) that this is, or is a part of.
    pub fn member_of(&self, parent: &str) -> Option<&str> {
        let path = self.path.strip_prefix(&folder(parent))?;
        path.split('/').next().map(|name| name.strip_suffix(".rs").unwrap_or(name))
    }

    /// Names of the modules declared with `mod NAME;` or `pub mod NAME;`, in order.
    pub fn modules(&self) -> Vec<String> {
        let name = |line: &str| {
            let item = line.trim();
            item.strip_prefix("pub ").unwrap_or(item).strip_prefix("mod ")?.strip_suffix(';').map(String::from)
        };
        self.code.lines().filter_map(name).collect()
    }

    /// The words of the code, each with its line.
    pub fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().flat_map(|(index, line)| words(line).map(move |word| (index + 1, word)))
    }

    /// What is named in `parent` (`crate` or `crate::NAME`), each with its line: `a` for `crate::a::b`, `a` and `b` for
    /// `crate::{a, b::c}` or for as many `super::` as lead there. In a module inside of a file `super` is taken for the file's.
    pub fn names_in(&self, parent: &str) -> Vec<(usize, String)> {
        let inner = parent.split("::").skip(1).collect::<Vec<_>>();
        let absolute = self
            .paths_after("crate::")
            .into_iter()
            .filter_map(|(line, path)| Some((line, (*path.strip_prefix(&inner[..])?.first()?).to_owned())));
        let supers = "super::".repeat(self.depth_in(parent));
        let relative = if supers.is_empty() { Vec::new() } else { self.paths_after(&supers) };
        let relative = relative.into_iter().map(|(line, path)| (line, path[0].to_owned()));
        let mut names: Vec<_> = absolute.chain(relative.filter(|(_, name)| name != "super")).collect();
        names.sort();
        names.dedup();
        names
    }

    /// How many modules this file's is below `parent`; 0 where it is not there.
    fn depth_in(&self, parent: &str) -> usize {
        let Some(path) = self.path.strip_prefix(&folder(parent)) else { return 0 };
        path.split('/').filter(|name| !["mod.rs", "lib.rs"].contains(name)).count()
    }

    /// The paths behind each `prefix` that begins one.
    fn paths_after(&self, prefix: &str) -> Vec<(usize, Vec<&str>)> {
        let begins = |at: &usize| !self.code[..*at].ends_with(|letter| is_word(letter) || letter == ':');
        let places = self.code.match_indices(prefix).map(|(at, _)| at).filter(begins);
        let line = |at: usize| self.code[..at].matches('\n').count() + 1;
        places
            .flat_map(|at| paths(&self.code[at + prefix.len()..]).into_iter().map(move |path| (line(at), path)))
            .collect()
    }
}

/// Where the modules in `parent` are.
fn folder(parent: &str) -> String {
    parent.split("::").skip(1).fold("src/".into(), |folder, name| folder + name + "/")
}

/// The paths that begin `text`, word by word: `a::b` and `a::c` for `a::{b, c}`.
fn paths(text: &str) -> Vec<Vec<&str>> {
    if let Some(group) = text.strip_prefix('{') {
        return members(group).into_iter().flat_map(|member| paths(member.trim_start())).collect();
    }
    let (word, rest) = text.split_at(text.find(|letter| !is_word(letter)).unwrap_or(text.len()));
    if word.is_empty() {
        return Vec::new();
    }
    let behind = rest.strip_prefix("::").map(paths).filter(|behind| !behind.is_empty()).unwrap_or(vec![Vec::new()]);
    behind.into_iter().map(|path| [vec![word], path].concat()).collect()
}

pub fn has_word(text: &str, wanted: &str) -> bool {
    words(text).any(|word| word == wanted)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter| !is_word(letter)).filter(|word| !word.is_empty())
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The members of an import group, up to the brace that closes it.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => (),
        }
    }
    members
}

/// `text` with blanks in place of comments and of the insides of string and character literals.
fn without_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let in_word = code.ends_with(is_word);
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !in_word && raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            '\'' => character(rest),
            _ => 0,
        };
        let blank = |letter: char| if letter == '\n' { '\n' } else { ' ' };
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(blank));
            rest = &rest[length..];
        }
    }
    code
}

/// Length of the block comment, perhaps with others inside, at the start of `text`.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Length of the string literal at the start of `text`.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Length of the raw string literal at the start of `text`, if one is there.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let hashes = text[prefix.len()..].bytes().take_while(|&byte| byte == b'#').count();
    let start = prefix.len() + hashes;
    let body = text[start..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&end).map_or(text.len(), |at| start + 1 + at + end.len()))
}

/// Length of the character literal at the start of `text`; 0 if it is a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => {
            text[2..].char_indices().skip(1).find(|(_, letter)| *letter == '\'').map_or(0, |(at, _)| at + 3)
        }
        Some(_) => letters.next().filter(|(_, letter)| *letter == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

const TEST_ATTRIBUTE: &str = "#[cfg(test)]";

/// Blanks every `#[cfg(test)] mod NAME { ... }`.
fn without_test_blocks(code: &str) -> String {
    let mut out = code.to_owned();
    for (at, _) in code.match_indices(TEST_ATTRIBUTE) {
        let after = &code[at..];
        let (Some(open), end) = (after.find('{'), after.find(';').unwrap_or(usize::MAX)) else { continue };
        if open > end || !has_word(&after[..open], "mod") {
            continue;
        }
        let length = open + block(&after[open..]);
        let blank: String = after[..length].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }).collect();
        // Multi-byte letters became one blank each: pad, so that offsets after the block stay valid.
        let padding = " ".repeat(length - blank.len());
        out.replace_range(at..at + length, &(blank + &padding));
    }
    out
}

/// Length of the block in braces at the start of `code`.
fn block(code: &str) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => (),
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

fn declared_test_modules(path: &str, code: &str) -> Vec<String> {
    let file = path.strip_suffix(".rs").unwrap_or(path);
    let folder = file.strip_suffix("/mod").or(file.strip_suffix("/lib")).unwrap_or(file);
    let mut modules = Vec::new();
    for (at, _) in code.match_indices(TEST_ATTRIBUTE) {
        let item = code[at + TEST_ATTRIBUTE.len()..].split(['{', ';']).next().unwrap_or("");
        let ends_here = code[at + TEST_ATTRIBUTE.len() + item.len()..].starts_with(';');
        let mut words = words(item).skip_while(|word| *word != "mod");
        if let (true, Some(_), Some(name)) = (ends_here, words.next(), words.next()) {
            modules.push(format!("{folder}/{name}"));
        }
    }
    modules
}
