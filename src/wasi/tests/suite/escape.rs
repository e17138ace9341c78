//! A directory of the host that is attacked: nothing outside of it is opened, read or changed.

use super::*;
use std::collections::BTreeSet;
use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What stands outside, and must not be seen.
const CANARY: &[u8] = b"canary";
const OWN: &[u8] = b"mine";

/// `inside`, which the program is given, beside `outside`, which it is not.
struct Arena {
    folder: TempDir,
    program: Program,
    /// Of everything outside, the directory around both included.
    inodes: BTreeSet<u64>,
    before: Vec<(String, Vec<u8>)>,
}

fn arena() -> Arena {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["inside", "outside", "outside/dir", "inside/dir", "inside/dir/sub", "inside/deep", "inside/deep/a"] {
        fs::create_dir(at(name)).unwrap();
    }
    for (name, bytes) in
        [("outside/file", CANARY), ("outside/dir/file", CANARY), ("inside/file", OWN), ("inside/dir/file", OWN)]
    {
        fs::write(at(name), bytes).unwrap();
    }
    let absolute = at("outside").to_str().unwrap().to_string();
    let links = [
        ("abs", absolute.as_str()),
        ("rel", "../outside"),
        ("dir/rel", "../../outside/file"),
        ("up", ".."),
        ("dir/up", "../.."),
        ("in", "dir/sub/../file"),
        ("chain", "dir/up/outside"),
        ("loop", "dir/loop"),
        ("dir/loop", "../loop"),
        ("made", "../outside/made"),
        ("proc", "/proc/self/root"),
        ("slash", "dir/../../outside/"),
    ];
    links.iter().for_each(|(name, target)| symlink(target, at("inside").join(name)).unwrap());
    let mut directories = Directories::default();
    let node = directories.add(&at("inside"), false).unwrap();
    let console = FakeConsole::default();
    let builder = Wasi::builder().outside(directories, [("data".to_string(), node)]);
    let wasi = builder.build(console.clone(), console.clock.clone(), FakeEntropy);
    let inode = |path: &Path| fs::symlink_metadata(path).unwrap().ino();
    let outside = ["outside", "outside/file", "outside/dir", "outside/dir/file", "."].map(|name| inode(&at(name)));
    let before = contents(&at("outside"));
    let program = Program { wasi, console, memory: vec![0; MEMORY_BYTES] };
    Arena { program, inodes: outside.into(), before, folder }
}

impl Arena {
    /// What is open as `fd` is not from outside; closes it.
    fn check_open(&mut self, fd: u64, path: &str) {
        let p = &mut self.program;
        assert_eq!(p.call("fd_filestat_get", &[fd, OUT]), OK);
        assert!(!self.inodes.contains(&p.u64(OUT + 8)), "{path:?} is outside");
        p.put_u32s(IOVEC, &[BUFFER, 6]);
        p.put(BUFFER, b"------");
        if p.call("fd_read", &[fd, IOVEC, 1, OUT]) == OK {
            assert_ne!(p.bytes(BUFFER, 6), CANARY, "{path:?}");
        }
        assert_eq!(p.call("fd_close", &[fd]), OK);
    }

    fn check_outside(&self, path: &str) {
        assert_eq!(contents(&self.folder.path().join("outside")), self.before, "{path:?}");
        let around: BTreeSet<_> = contents(self.folder.path()).into_iter().map(|(name, _)| name).collect();
        let is_known = |name: &String| name.starts_with("inside/") || name.starts_with("outside/");
        assert!(around.iter().all(is_known), "{path:?} made something: {around:?}");
    }

    /// Does with `path` all that can be done; returns how much of that succeeded.
    fn attack(&mut self, path: &str) -> usize {
        let mut done = 0;
        for lookup in [0, FOLLOW] {
            for (flags, rights) in
                [(0, READ), (DIRECTORY, READ), (CREAT, READ | WRITE), (TRUNC, WRITE), (CREAT | EXCL, WRITE)]
            {
                if self.program.opens_at(DIR, lookup, path, flags, rights | Rights::FD_FILESTAT_GET, 0) == OK {
                    self.check_open(self.program.u32(OUT), path);
                    done += 1;
                }
            }
            if self.program.stat_of(lookup, path) == OK {
                assert!(!self.inodes.contains(&self.program.u64(OUT + 8)), "{path:?} is outside");
                done += 1;
            }
            let [address, len] = self.program.name(path);
            let times = [DIR, lookup, address, len, 7, 7, 5];
            done += usize::from(self.program.call("path_filestat_set_times", &times) == OK);
        }
        let p = &mut self.program;
        for (function, from, to) in [
            ("path_link", path, "linked"),
            ("path_link", "file", path),
            ("path_rename", "file", path),
            ("path_rename", path, "renamed"),
            ("path_symlink", "target", path),
            ("path_symlink", path, "symbolic"),
        ] {
            done += usize::from(p.two(function, from, to) == OK);
        }
        for function in ["path_create_directory", "path_unlink_file", "path_remove_directory"] {
            done += usize::from(p.on(function, path) == OK);
        }
        done
    }
}

/// Numbers that look random, the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn path(numbers: &mut Numbers) -> String {
    const NAMES: [&str; 24] = [
        "..", "..", "..", ".", "", "", "dir", "dir", "sub", "file", "outside", "inside", "abs", "rel", "up", "in",
        "chain", "loop", "made", "proc", "slash", "nul\0", "etc", "passwd",
    ];
    if numbers.below(50) == 0 {
        return "x/".repeat(2000) + &"../".repeat(numbers.below(400));
    }
    let count = 1 + numbers.below(6);
    let names: Vec<&str> = (0..count).map(|_| NAMES[numbers.below(NAMES.len())]).collect();
    let (before, after) =
        (["", "", "", "/", "//", "./"][numbers.below(6)], ["", "", "/", "//", "/."][numbers.below(5)]);
    before.to_string() + &names.join("/") + after
}

#[test]
fn a_thousand_paths_lead_nowhere_outside() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut done, mut arena) = (0, arena());
    for round in 0..1000 {
        if round % 10 == 0 {
            // Attacks take much away, so that others find nothing.
            arena = self::arena();
        }
        let path = path(&mut numbers);
        done += arena.attack(&path);
        arena.check_outside(&path);
    }
    assert!(done > 300, "{done} attacks did something inside");
}

/// What names the folder of the arena to [`another_process_swaps`].
const ARENA: &str = "BAREFLOW_ARENA";
/// What that says once it is at work.
const SWAPPING: &str = "swapping";

/// Until its standard input ends.
#[test]
#[ignore = "the other process of the test below, which starts it"]
fn another_process_swaps() -> io::Result<()> {
    let Some(folder) = env::var_os(ARENA) else { return Ok(()) };
    let (inside, outside) = (Path::new(&folder).join("inside"), Path::new(&folder).join("outside"));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            stop.store(true, Ordering::Relaxed);
        });
        swap(&inside, &outside)?;
        std::println!("\n{SWAPPING}");
        while !stop.load(Ordering::Relaxed) {
            swap(&inside, &outside)?;
        }
        Ok(())
    })
}

/// A process that swaps in `folder`, and has begun to.
fn swapping_process(folder: &Path) -> Child {
    let test = module_path!().split_once("::").unwrap().1.to_string() + "::another_process_swaps";
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &test, "--ignored", "--nocapture"]).env(ARENA, folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == SWAPPING), "it ended before it began");
    child
}

/// Puts links to what is outside in the place of directories and files, and takes them away again.
fn swap(inside: &Path, outside: &Path) -> io::Result<()> {
    let (aside, link) = (inside.join("aside"), inside.join("link"));
    for (name, target) in [("dir", "."), ("dir/file", "file"), ("file", "dir/file")] {
        let name = inside.join(name);
        fs::rename(&name, &aside)?;
        symlink(outside.join(target), &link)?;
        fs::rename(&link, &name)?;
        thread::yield_now();
        fs::remove_file(&name)?;
        fs::rename(&aside, &name)?;
        thread::yield_now();
    }
    // From a directory that is moved outside, `..` would be another one.
    let (deep, moved) = (inside.join("deep/a"), outside.join("dir/moved"));
    fs::rename(&deep, &moved)?;
    thread::yield_now();
    fs::rename(&moved, &deep)
}

#[test]
fn directories_that_become_links_meanwhile_lead_nowhere_outside() {
    const PATHS: [&str; 6] = [
        "dir/file",
        "file",
        "dir/../dir/file",
        "deep/a/../../dir/file",
        "deep/a/../../../outside/file",
        "dir/sub/../file",
    ];
    let mut arena = arena();
    let mut swapping = swapping_process(arena.folder.path());
    let (mut reached, mut missed) = (0, 0);
    let since = Instant::now();
    while (reached < 500 || missed < 500) && since.elapsed() < Duration::from_secs(5) {
        for path in PATHS {
            if arena.program.opens(path, 0, READ | Rights::FD_FILESTAT_GET) == OK {
                arena.check_open(arena.program.u32(OUT), path);
                reached += 1;
            } else {
                missed += 1;
            }
            for made in ["dir/made", "dir/sub/../made"] {
                if arena.program.opens(made, CREAT, WRITE) == OK {
                    let fd = arena.program.u32(OUT);
                    arena.program.call("fd_close", &[fd]);
                }
                arena.program.on("path_unlink_file", made);
                arena.program.on("path_create_directory", made);
                arena.program.on("path_remove_directory", made);
            }
        }
    }
    // Its standard input ends here.
    assert!(swapping.wait().unwrap().success(), "it could not go on swapping");
    assert!(reached > 0 && missed > 0, "{reached} were opened, {missed} were not");
    arena.check_outside("a path that was swapped");
}
