//! What the engine tells the face while it works: how far it is, and which machine code there is.

#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::seams::{Progress, Work};
use bareflow::engine::{Engine, Options, Platform};
use bareflow::host;
use bareflow::profile::Profile;
use std::cell::RefCell;
use std::fmt::Write;
use std::ops::Range;
use std::rc::Rc;

/// Where code is, and the name of its function.
type Placed = (Range<u64>, String);

#[derive(Clone, Default)]
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
    assert_eq!(decoded.len(), 100);
    assert!(decoded.is_sorted_by(|before, after| before.1 < after.1), "{decoded:?}");
    assert!(decoded.iter().all(|(_, done, all)| done <= all && *all == bytes.len() as u64), "{decoded:?}");
    told.placed.borrow_mut().clear();
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
