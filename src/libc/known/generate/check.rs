//! What the table recognises in programs, beside what their name sections say.

use anyhow::{Context, Result};
use bareflow::engine::decode::module::Module;
use bareflow::libc::{find, known};
use std::collections::BTreeMap;
use std::fs;

/// Prints a line for each of `programs`, and one for each function that has another name than what it was recognised as, or
/// that has a name of the libc's and was not recognised.
pub fn check(programs: impl Iterator<Item = String>) -> Result<()> {
    for path in programs {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {path}"))?;
        let module = Module::decode(bytes.leak())?;
        let mut found: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for proved in known::prove(&module).iter().filter(|proved| find(proved.known.name).is_some()) {
            found.entry(proved.index).or_default().push(proved.known.name);
        }
        let replaced = bareflow::libc::proved(&module);
        let names = module.names();
        let named =
            || names.iter().filter(|(index, name)| module.body(**index).is_some() && find(last(name)).is_some());
        let missed: Vec<&str> =
            named().filter(|(index, _)| !found.contains_key(index)).map(|(_, name)| *name).collect();
        println!(
            "{path}: {} functions, {} names of the libc, {} known, {} replaced; not known: {}",
            module.bodies.len(),
            named().count(),
            found.len(),
            replaced.len(),
            missed.join(" ")
        );
        for (index, known) in &found {
            if let Some(name) = names.get(index).filter(|name| !known.contains(&last(name))) {
                println!("    {name} is {}", known.join(" or "));
            }
        }
    }
    Ok(())
}

/// Zig names functions by their path in its sources.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
