//! What one boot learns and the next makes of it: decisions settle, whatever a profile says results stay right, and a
//! rebuilt program keeps what is still true.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/random.rs"]
mod random;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::{Engine, Options};
use bareflow::profile::{
    Dropped, FunctionKey, FunctionRecord, Profile, SiteKind, SiteRecord, ValueCount, ValueHistogram,
};
use random::Random;

/// Calls of every kind that is recorded, with sizes and targets that come from a table at 1024: 64 sizes, then 64
/// targets. `$hot` is a function that a rebuilt program may have changed.
fn program(hot: &str) -> String {
    format!(
        r#"(module (type $unary (func (param i32) (result i32)))
  (import "libc" "memcmp" (func $compare (param i32 i32 i32) (result i32)))
  (memory 2) (table funcref (elem $inc $dec $neg $not))
  (func $inc (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $dec (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)))
  (func $neg (param i32) (result i32) (i32.sub (i32.const 0) (local.get 0)))
  (func $not (param i32) (result i32) (i32.xor (local.get 0) (i32.const -1)))
  (func $hot (param i32) (result i32) {hot})
  (func $never (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
  (func $size (param i32) (result i32) (i32.load16_u offset=1024 (i32.shl (i32.and (local.get 0) (i32.const 63)) (i32.const 1))))
  (func $move (param i32)
    (memory.fill (i32.const 8192) (local.get 0) (call $size (local.get 0)))
    (memory.copy (i32.const 16384) (i32.const 8192) (call $size (i32.mul (local.get 0) (i32.const 3))))
    (drop (call $compare (i32.const 16384) (i32.const 8192) (i32.const 9))))
  (func $apply (param i32) (result i32)
    (call_indirect (type $unary) (local.get 0) (i32.load8_u offset=1280 (i32.and (local.get 0) (i32.const 63)))))
  (func (export "work") (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (i32.add (call $hot (local.get 1)) (i32.const 3)))
      (if (i32.gt_s (local.get 1) (i32.const 0)) (then (local.set 1 (i32.rotl (local.get 1) (i32.const 3)))))
      (call $move (local.get 0))
      (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 17)) (call $apply (local.get 0))))
      (local.set 1 (i32.add (local.get 1) (i32.load (i32.add (i32.const 16384) (i32.and (local.get 0) (i32.const 255))))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1)))"#
    )
}

const HOT: &str = "(i32.add (i32.mul (local.get 0) (i32.const 5)) (i32.const 1))";

/// What the program's sizes and targets are.
#[derive(Clone, Copy, Debug)]
struct Pattern {
    sizes: &'static [u16],
    targets: &'static [u8],
}

fn work(engine: &mut Engine, pattern: Pattern, rounds: u64) -> u32 {
    let memory = engine.memory();
    for (index, size) in pattern.sizes.iter().cycle().take(64).enumerate() {
        memory[1024 + 2 * index..][..2].copy_from_slice(&size.to_le_bytes());
    }
    for (index, target) in pattern.targets.iter().cycle().take(64).enumerate() {
        memory[1280 + index] = *target;
    }
    engine::call(engine, "work", &[rounds])[0] as u32
}

fn boot(text: &str, options: Options, earlier: &Profile) -> Engine {
    let earlier = Profile::decode(&earlier.encode().expect("there is memory")).expect("a learned profile decodes");
    let mut engine = engine::engine(text, options, earlier);
    engine.warm_up();
    engine
}

/// Sizes and targets that are constant, mostly one, half one, of many kinds, and in step with powers of two.
const PATTERNS: [Pattern; 7] = [
    Pattern { sizes: &[512], targets: &[1] },
    Pattern { sizes: &[64, 64, 64, 24], targets: &[0, 0, 3] },
    Pattern { sizes: &[64, 24], targets: &[2, 1] },
    Pattern { sizes: &[16, 24, 32, 48], targets: &[0, 1, 2, 3] },
    Pattern { sizes: &[8, 16, 24, 32, 8, 48, 64, 8], targets: &[0, 1, 0, 2, 3, 3, 2, 1] },
    Pattern { sizes: &[100, 100, 100, 100, 100, 7, 9], targets: &[0, 0, 0, 1, 1] },
    Pattern { sizes: &[0, 5000, 1, 300, 300], targets: &[3, 3, 1] },
];

#[test]
fn decisions_settle_when_every_boot_does_the_same() {
    let text = program(HOT);
    for pattern in PATTERNS {
        let mut plain =
            engine::engine(&text, Options { highest: Tier::Baseline, ..Options::default() }, Profile::default());
        let expected = work(&mut plain, pattern, 4_000);
        for promotion in [Promotion::Boots, Promotion::Flight] {
            let options = Options { promotion, ..Options::default() };
            let (mut profile, mut seen) = (Profile::default(), Vec::new());
            for _ in 0..24 {
                let mut engine = boot(&text, options, &profile);
                assert_eq!(work(&mut engine, pattern, 4_000), expected, "{pattern:?}");
                profile = engine.learned();
                let sums = engine.statistics();
                seen.push([
                    sums.functions_baseline,
                    sums.functions_optimised,
                    sums.functions_specialised,
                    sums.guards_passed,
                    sums.guards_failed,
                ]);
            }
            // Functions that specialised code calls no more are forgotten slowly; nothing else may change.
            let compiled = |boot: &[u64; 5]| boot[0] + boot[1] + boot[2];
            assert!(seen[2..].is_sorted_by(|a, b| compiled(a) >= compiled(b)), "{promotion:?} {pattern:?}: {seen:?}");
            let changes = seen[2..].windows(2).filter(|pair| pair[0][3..] != pair[1][3..]).count();
            let settled = seen[14..].windows(2).all(|pair| pair[0][3..] == pair[1][3..]);
            assert!(settled && changes <= 3, "{promotion:?} {pattern:?}: {seen:?}");
            assert!(profile.encode().expect("there is memory").len() < 10_000);
        }
    }
}

#[test]
fn never_called_functions_are_never_compiled_and_have_no_record() {
    let text = program(HOT);
    let mut engine = engine::engine(&text, Options::default(), Profile::default());
    work(&mut engine, PATTERNS[0], 100);
    let sums = engine.statistics();
    let learned = engine.learned();
    assert_eq!(sums.functions_called, sums.functions_baseline + sums.functions_optimised + sums.functions_specialised);
    assert!(sums.functions_called + 20 < sums.functions_total);
    assert_eq!(learned.functions.len() as u64, sums.functions_called);
    assert!(learned.functions.iter().all(|function| function.calls > 0));
    assert!(
        learned.functions.iter().any(|function| function.blocks == [100, 0] || function.blocks.first() == Some(&100))
    );
}

impl Random {
    fn pick(&mut self, choices: &[u64]) -> u64 {
        choices[self.next() as usize % choices.len()]
    }

    fn count(&mut self) -> u64 {
        self.pick(&[0, 1, 63, 64, 99, 100, 10_000, 1 << 40, u64::MAX - 1, u64::MAX])
    }

    fn value(&mut self, most: u64) -> u64 {
        let any = self.next();
        self.pick(&[
            0,
            1,
            2,
            3,
            8,
            16,
            64,
            512,
            4096,
            4097,
            most,
            most + 1,
            u64::from(u32::MAX),
            u64::from(u32::MAX) + 1,
            u64::MAX,
            any,
            any % most,
        ])
    }

    fn site(&mut self, kind: SiteKind) -> SiteRecord {
        let mut slots: Vec<ValueCount> = Vec::new();
        let total = self.count();
        let mut left = total;
        for _ in 0..self.next() % 9 {
            let (value, count) = (self.value(60), self.count().min(left));
            if count > 0 && slots.iter().all(|slot| slot.value != value) {
                slots.push(ValueCount { value, count });
                left -= count;
            }
        }
        slots.sort_by(|a, b| b.count.cmp(&a.count).then(a.value.cmp(&b.value)));
        let kind = if self.next().is_multiple_of(4) { other(kind) } else { kind };
        let values = ValueHistogram { slots, total, floor: 0 };
        SiteRecord {
            kind,
            callee: self.next().is_multiple_of(3).then(|| FunctionKey { hash: self.next(), ordinal: 1 }),
            values,
            address_bits: self.next(),
            guards_passed: self.count(),
            guards_failed: self.count(),
            chosen: vec![self.next(); 2],
            passes: vec![self.count(), self.count()],
            dropped: vec![Dropped { value: self.value(60), share: self.next() as u32 }],
        }
    }

    /// `record` with everything but its key made up.
    fn damage(&mut self, record: &FunctionRecord) -> FunctionRecord {
        let lengths = [record.blocks.len() as u64, 0, 1, 1000];
        let blocks = if self.next().is_multiple_of(3) { self.pick(&lengths) } else { lengths[0] };
        let mut sites: Vec<SiteRecord> = record.sites.iter().map(|site| self.site(site.kind)).collect();
        if self.next().is_multiple_of(4) {
            let kind = if self.next().is_multiple_of(2) { SiteKind::Size } else { SiteKind::Target };
            let site = self.site(kind);
            sites.insert(self.next() as usize % (sites.len() + 1), site);
        }
        FunctionRecord {
            key: record.key,
            calls: self.count(),
            ticks: self.count(),
            generic_calls: self.count(),
            generic_ticks: self.count(),
            code_bytes: self.count(),
            blocks: (0..blocks).map(|_| self.count()).collect(),
            sites,
        }
    }
}

fn other(kind: SiteKind) -> SiteKind {
    if kind == SiteKind::Size { SiteKind::Target } else { SiteKind::Size }
}

#[test]
fn no_profile_changes_a_result_or_panics() {
    let text = program(HOT);
    let mut honest =
        engine::engine(&text, Options { promotion: Promotion::Boots, ..Options::default() }, Profile::default());
    let expected: Vec<u32> = PATTERNS.iter().map(|pattern| work(&mut honest, *pattern, 300)).collect();
    let honest = honest.learned();
    let mut random = Random(7);
    let mut specialised = 0;
    for round in 0..300 {
        let mut functions: Vec<FunctionRecord> = honest.functions.iter().map(|record| random.damage(record)).collect();
        if round % 4 == 3 {
            // What is said of one function was seen of another, or is of none that the program has.
            let keys: Vec<FunctionKey> = functions.iter().map(|record| record.key).collect();
            let moved = random.next() as usize % keys.len();
            functions.iter_mut().zip(keys.iter().cycle().skip(moved)).for_each(|(record, key)| record.key = *key);
            functions[0].key.hash = random.next();
            functions.sort_by_key(|record| record.key);
        }
        let (program, cpu, boots_observed) = (random.next(), random.next(), random.count());
        let profile = Profile { program, cpu, boots_observed, functions, boots: Vec::new() };
        let promotion = if round % 2 == 0 { Promotion::Boots } else { Promotion::Flight };
        let cpu = if round % 3 == 0 { CpuFeatures::empty() } else { CpuFeatures::detect() };
        let tier = [Tier::Baseline, Tier::Optimised, Tier::Specialised][round / 2 % 3];
        let (lowest, highest) = if round % 2 == 0 { (Tier::Baseline, Tier::Specialised) } else { (tier, tier) };
        let options = Options { promotion, lowest, highest, ..Options::default() };
        // As the store gives it: what decoding refuses is never used.
        let decoded = Profile::decode(&profile.encode().expect("there is memory"))
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
        let mut engine = engine::engine_on(cpu, &text, options, decoded);
        if round % 5 > 0 {
            engine.warm_up();
        }
        let found: Vec<u32> = PATTERNS.iter().map(|pattern| work(&mut engine, *pattern, 300)).collect();
        assert_eq!(found, expected, "round {round}");
        specialised += engine.statistics().functions_specialised;
        let learned = engine.learned();
        assert_eq!(Profile::decode(&learned.encode().expect("there is memory")), Ok(learned), "round {round}");
    }
    assert!(specialised > 100, "only {specialised} functions were specialised");
}

#[test]
fn records_of_other_programs_and_unsorted_ones_do_no_harm() {
    let text = program(HOT);
    let mut other = engine::engine(
        "(module (func (export \"work\") (param i32) (result i32) (local.get 0)))",
        Options::default(),
        Profile::default(),
    );
    (0..5000).for_each(|n| drop(engine::call(&mut other, "work", &[n])));
    let foreign = other.learned();
    let mut first = engine::engine(&text, Options::default(), foreign.clone());
    let expected = work(&mut first, PATTERNS[1], 3000);
    let both = first.learned();
    assert!(foreign.functions.iter().all(|function| both.find(function.key).is_some()), "records of others are kept");
    let mut shuffled = both.clone();
    shuffled.functions.reverse();
    let mut second = engine::engine(&text, Options::default(), shuffled);
    assert_eq!(work(&mut second, PATTERNS[1], 3000), expected);
    second.learned();
    second.statistics();
}

#[test]
fn a_rebuilt_program_keeps_the_records_of_unchanged_functions() {
    let (old, new) = (program(HOT), program("(i32.sub (i32.mul (local.get 0) (i32.const 9)) (i32.const 4))"));
    let options = Options { promotion: Promotion::Boots, ..Options::default() };
    let mut first = engine::engine(&old, options, Profile::default());
    work(&mut first, PATTERNS[0], 2_000);
    let learned = first.learned();
    let mut same = boot(&old, options, &learned);
    work(&mut same, PATTERNS[0], 10);
    let mut rebuilt = boot(&new, options, &learned);
    let mut plain = engine::engine(&new, options, Profile::default());
    assert_eq!(work(&mut rebuilt, PATTERNS[0], 10), work(&mut plain, PATTERNS[0], 10));
    let (before, after) = (same.statistics(), rebuilt.statistics());
    // The loop itself is called too rarely, in both.
    assert_eq!((before.functions_baseline, after.functions_baseline), (1, 2), "{before:?} {after:?}");
    assert_eq!(after.functions_specialised, before.functions_specialised, "{after:?}");
    assert_eq!(after.functions_optimised + 1, before.functions_optimised);
    let kept = rebuilt.learned();
    assert_eq!(kept.functions.len(), learned.functions.len() + 1);
    assert_ne!(kept.program, learned.program);
}

/// Indirect calls are recorded by function identifier: in a rebuilt program the numbers may mean other functions.
#[test]
fn targets_recorded_for_another_numbering_only_cost_time() {
    let text = program(HOT);
    let moved = text
        .replace("(func $inc (param i32)", "(func $new (param i32) (result i32) (i32.const 9)) (func $inc (param i32)");
    let options = Options { promotion: Promotion::Boots, ..Options::default() };
    let mut first = engine::engine(&text, options, Profile::default());
    let expected = work(&mut first, PATTERNS[0], 2_000);
    let mut profile = first.learned();
    let mut failed = Vec::new();
    for _ in 0..12 {
        let mut engine = boot(&moved, options, &profile);
        assert_eq!(work(&mut engine, PATTERNS[0], 2_000), expected);
        profile = engine.learned();
        failed.push(engine.statistics().guards_failed);
    }
    assert_eq!(failed.last(), Some(&0), "the right target is learned in the end: {failed:?}");
}
