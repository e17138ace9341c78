//! The profiles that ship in images.

use bareflow::profile::Profile;
use std::fs;
use std::path::Path;

#[test]
fn every_shipped_profile_can_be_read_and_knows_functions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let mut found = 0;
    for entry in fs::read_dir(folder).expect("profiles is part of the checkout") {
        let path = entry.expect("profiles can be listed").path();
        if path.extension().is_none_or(|extension| extension != "bfprof") {
            continue;
        }
        let bytes = fs::read(&path).expect("a profile can be read");
        let profile = Profile::decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!profile.functions.is_empty(), "{} knows nothing", path.display());
        found += 1;
    }
    assert!(found > 0, "./just iso expects a profile of the sample program");
}
