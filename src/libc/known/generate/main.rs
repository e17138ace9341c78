//! `./just known-functions`: the table of functions of C libraries that are known by their bodies.
//!
//! Top-down: [`library`] finds what stands behind the functions of our libc, [`object`] reads an object file; the rest is
//! here: equal functions of several libraries become one entry, and the table is written.

mod check;
mod library;
mod object;

use anyhow::{Context, Result, ensure};
use library::{Entry, HEAP, Library, Place, Symbol};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};
use xxhash_rust::xxh3::xxh3_64;

/// Rounds after which functions that call each other, through as many calls, are told apart.
const ROUNDS: usize = 16;

/// An entry of the table: the hash of all that it is, down to what it calls.
type Identity = u64;

struct Row {
    entry: Entry,
    /// Places in `entry.symbols` that are functions, as identities.
    calls: BTreeMap<Place, Identity>,
    origins: u64,
}

const USAGE: &str =
    "give a folder for the table, and lines ORIGIN=ARCHIVE[,ARCHIVE]... on the standard input; or --check and programs";

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let first = arguments.next().context(USAGE)?;
    if first == "--check" {
        return check::check(arguments);
    }
    let folder = PathBuf::from(first);
    let mut rows: BTreeMap<Identity, Row> = BTreeMap::new();
    let mut origins: Vec<String> = Vec::new();
    for line in io::stdin().lines() {
        let line = line?;
        let (origin, paths) = line.split_once('=').context(USAGE)?;
        let paths: Vec<&Path> = paths.split(',').map(Path::new).collect();
        let new = add(&paths, origins.len(), &mut rows)?;
        println!("{origin}: {new} functions that no library before it has");
        origins.push(origin.to_owned());
    }
    ensure!(origins.len() <= 64, "there is room for 64 libraries");
    fs::write(folder.join("origins.in"), format!("{origins:#?}\n"))?;
    fs::write(folder.join("table.in"), table(&rows)?)?;
    println!("{} functions", rows.len());
    Ok(())
}

/// Adds what a library has; how many of it are new.
fn add(paths: &[&Path], origin: usize, rows: &mut BTreeMap<Identity, Row>) -> Result<usize> {
    let library = Library::read(paths)?;
    let names = bareflow::libc::functions().iter().map(|function| function.name);
    let entries = library.entries(names.chain(HEAP), |name, error| eprintln!("left out {name}: {error:#}"));
    let identities = identities(&entries);
    let before = rows.len();
    for (place, entry) in entries {
        let row =
            rows.entry(identities[&place]).or_insert_with(|| Row { entry, calls: identities.clone(), origins: 0 });
        row.origins |= 1 << origin;
    }
    Ok(rows.len() - before)
}

fn identities(entries: &BTreeMap<Place, Entry>) -> BTreeMap<Place, Identity> {
    let mut identities: BTreeMap<Place, Identity> = entries.keys().map(|place| (*place, 0)).collect();
    for _ in 0..ROUNDS {
        let next = entries.iter().map(|(place, entry)| (*place, xxh3_64(row(entry, &identities).as_bytes())));
        identities = next.collect();
    }
    identities
}

fn table(rows: &BTreeMap<Identity, Row>) -> Result<String> {
    let mut order: Vec<(&Identity, &Row)> = rows.iter().collect();
    order.sort_by_key(|(identity, row)| (row.entry.shape, row.entry.name, **identity));
    let places: BTreeMap<Identity, usize> =
        order.iter().enumerate().map(|(place, (identity, _))| (**identity, place)).collect();
    ensure!(places.len() <= usize::from(u16::MAX), "there are too many entries");
    let mut text = String::from("[\n");
    for (_, known) in order {
        let calls = known.calls.iter().filter_map(|(place, identity)| Some((*place, *places.get(identity)? as u64)));
        writeln!(text, "    Known {{ origins: {:#x}, {} }},", known.origins, row(&known.entry, &calls.collect()))?;
    }
    text.push_str("]\n");
    Ok(text)
}

/// The fields of `Known` but for the origins; calls as `calls` numbers them.
fn row(entry: &Entry, calls: &BTreeMap<Place, u64>) -> String {
    let symbols = entry.symbols.iter().map(|symbol| match symbol {
        Symbol::Function(place) => format!("Symbol::Function({})", calls[place]),
        Symbol::Import(module, name) => format!("Symbol::Import({module:?}, {name:?})"),
        Symbol::Object { first, bytes, hash } => {
            format!("Symbol::Object {{ first: {first}, bytes: {bytes}, hash: {hash:#018x} }}")
        }
        Symbol::Variable { name, first, bytes, hash } => {
            format!("Symbol::Variable {{ name: {name:?}, first: {first}, bytes: {bytes}, hash: {hash:#018x} }}")
        }
        Symbol::Linker => "Symbol::Linker".to_owned(),
        Symbol::Global => "Symbol::Global".to_owned(),
    });
    let Entry { name, shape, body_bytes, operators, operands, relocations, is_heap, .. } = entry;
    format!(
        "name: {name:?}, shape: {shape:#018x}, body_bytes: {body_bytes}, operators: {operators:#018x}, operands: \
         {operands:#018x}, relocations: &{relocations:?}, symbols: &[{}], is_heap: {is_heap}",
        symbols.collect::<Vec<_>>().join(", ")
    )
}
