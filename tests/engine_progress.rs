//! What the engine tells the face while it works: how far it is, and which machine code there is.

#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::seams::{Progress, Work};
use bareflow::engine::{Engine, Entry, Options, Platform, Source};
use bareflow::host;
use bareflow::host::disk::FileDisk;
use bareflow::profile::Profile;
use bareflow::session::Session;
use bareflow::store::place::Region;
use bareflow::store::{BlockDevice, Store};
use std::cell::RefCell;
use std::fmt::Write;
use std::ops::Range;
use std::rc::Rc;

/// Where code is, and the name of its function.
type Placed = (Range<u64>, String);

#[derive(Clone, Debug, Default)]
struct Told {
    /// Work, what is done of it, and all there is.
    advanced: Rc<RefCell<Vec<(Work, u64, u64)>>>,
    placed: Rc<RefCell<Vec<Placed>>>,
}

impl Progress for Told {
    fn advanced(&mut self, work: Work, done: u64, all: u64, _: u64) {
        self.advanced.borrow_mut().push((work, done, all));
    }

    fn placed(&mut self, range: Range<u64>, name: &dyn Fn() -> String) {
        self.placed.borrow_mut().push((range, name()));
    }
}

#[test]
fn the_face_is_told_of_each_function_that_is_decoded_or_compiled() {
    let functions = (0..100).fold(String::new(), |mut text, number| {
        let _ = write!(text, "(func $f{number} (export \"f{number}\") (result i32) (i32.const {number}))");
        text
    });
    let bytes: &[u8] = wat::parse_str(format!("(module {functions})")).unwrap().leak();
    let told = Told::default();
    let platform = host::platform(CpuFeatures::detect()).unwrap();
    let platform = Platform { progress: Box::new(told.clone()), ..platform };
    let mut engine =
        Engine::new(bytes, platform, Box::new(engine::NoImports), Options::default(), Profile::default()).unwrap();
    let decoded: Vec<_> = told.advanced.borrow_mut().drain(..).filter(|(work, ..)| *work == Work::Decoding).collect();
    // It is read twice.
    assert_eq!(decoded.len(), 200);
    assert!(decoded.is_sorted_by(|before, after| before.1 <= after.1), "{decoded:?}");
    assert!(decoded[99].1 < bytes.len() as u64 / 2 && decoded[199].1 > bytes.len() as u64 / 2, "{decoded:?}");
    assert!(decoded.iter().all(|(_, done, all)| done <= all && *all == bytes.len() as u64), "{decoded:?}");
    told.placed.borrow_mut().clear();
    told.advanced.borrow_mut().clear();
    for name in ["f7", "f9", "f7"] {
        engine::call(&mut engine, name, &[]);
    }
    let compiled: Vec<u64> = told
        .advanced
        .borrow()
        .iter()
        .map(|(work, done, _)| {
            assert_eq!(*work, Work::Compiling);
            *done
        })
        .collect();
    assert_eq!(compiled, [1, 2]);
    let placed = told.placed.borrow();
    let names: Vec<&str> = placed.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["call by the engine", "f7", "f9"]);
    assert!(placed.iter().all(|(range, _)| range.start < range.end));
}

impl Told {
    fn of(&self, wanted: Work) -> Vec<(u64, u64)> {
        let told = self.advanced.borrow();
        told.iter().filter(|(work, ..)| *work == wanted).map(|(_, done, all)| (*done, *all)).collect()
    }

    fn platform(&self) -> Platform {
        Platform { progress: Box::new(self.clone()), ..host::platform(CpuFeatures::detect()).unwrap() }
    }
}

#[test]
fn the_face_is_told_how_far_hashing_of_the_program_is() {
    let text = format!(r#"(module (memory 64) (func (export "f")) (data (i32.const 0) "{}"))"#, "x".repeat(3 << 20));
    let bytes: &[u8] = wat::parse_str(text).unwrap().leak();
    let told = Told::default();
    let mut engine =
        Engine::new(bytes, told.platform(), Box::new(engine::NoImports), Options::default(), Profile::default())
            .unwrap();
    engine::call(&mut engine, "f", &[]);
    let mut profile = engine.learned();
    engine.prepare(&mut profile, u64::MAX, u64::MAX);
    let all = bytes.len() as u64;
    assert_eq!(told.of(Work::Hashing), [1 << 20, 2 << 20, 3 << 20, all].map(|done| (done, all)));
}

#[test]
fn the_face_is_told_how_far_the_store_is_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = FileDisk::create(&folder.path().join("store.img"), 4096).unwrap();
    Store::format(&mut disk, [3; 16]).unwrap();
    let bytes = wat::parse_str(r#"(module (func (export "_start")))"#).unwrap();
    let [first, second] = [(); 2].map(|()| {
        let told = Told::default();
        let session = Session {
            name: "program".into(),
            program: Source { bytes: bytes.clone().leak(), hash: None },
            options: Options::default(),
            shipped: None,
            key: None,
            ticks_before: 0,
            entry: Entry::Command,
            verbose: false,
        };
        let region = Region::whole(&mut disk as &mut dyn BlockDevice);
        let (report, _) = session.run(told.platform(), Box::new(engine::NoImports), Some(region), &mut (), &mut |_| ());
        assert_eq!((report.event, report.store), ("exit", "saved"), "{report:?}");
        told
    });
    let whole = |told: &Told, work| told.of(work).iter().filter(|(done, all)| done == all && *all > 0).count();
    assert!(first.of(Work::Loading).is_empty(), "{first:?}");
    assert!(whole(&second, Work::Loading) > 0, "{second:?}");
    for told in [&first, &second] {
        assert!(whole(told, Work::Saving) > 0 && told.of(Work::Saving)[0].0 == 0, "{told:?}");
    }
}
