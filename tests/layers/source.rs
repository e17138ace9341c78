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

/// Every Rust file under `src/`, in order of their paths. Files that are modules for tests are left empty.
pub fn sources(root: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    list(&root.join("src"), &mut paths);
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

    /// The folder under `src/`.
    pub fn layer(&self) -> &str {
        self.path.strip_prefix("src/").and_then(|path| path.split_once('/')).map_or("", |(layer, _)| layer)
    }

    /// Names of the modules declared with `pub mod NAME;`, in order.
    pub fn public_modules(&self) -> Vec<String> {
        let name = |line: &str| line.trim().strip_prefix("pub mod ")?.strip_suffix(';').map(String::from);
        self.code.lines().filter_map(name).collect()
    }

    /// The words of the code, each with its line.
    pub fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().flat_map(|(index, line)| words(line).map(move |word| (index + 1, word)))
    }

    /// The first name after each `crate::`, with its line: one for `crate::a::b`, two for `crate::{a, b::{c, d}}`.
    pub fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            if self.code[..at].ends_with(is_word) {
                continue;
            }
            let rest = &self.code[at + "crate::".len()..];
            let names = match rest.strip_prefix('{') {
                Some(group) => group_names(group),
                None => words(rest).next().into_iter().collect(),
            };
            let line = self.code[..at].matches('\n').count() + 1;
            found.extend(names.into_iter().map(|name| (line, name.to_owned())));
        }
        found
    }
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

/// The first word of each member of an import group, up to the brace that closes it.
fn group_names(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.extend(words(&group[start..at]).next());
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => (),
        }
    }
    names
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
