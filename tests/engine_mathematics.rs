//! The mathematics in place of hot calls: what is left of them in their callers, and that they give the same bits, also
//! where arguments are constants.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/random.rs"]
mod random;
#[path = "common/recorder.rs"]
mod recorder;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::{Engine, Options};
use bareflow::host;
use bareflow::libc::{Family, LibcFunction, functions};
use bareflow::profile::Profile;
use engine::NoImports;
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};
use random::Random;
use recorder::{Written, record};
use wasmparser::ValType;

/// Arguments that fall into other branches than others do, each also with the other sign.
const CONSTANTS: [f64; 25] = [
    0.0,
    5e-324,
    f64::MIN_POSITIVE,
    1e-20,
    0.1,
    1.0 / 3.0,
    0.4375,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    2.5,
    3.0,
    4.0,
    7.0,
    10.0,
    31.5,
    33.0,
    709.9,
    1075.0,
    1e22,
    f64::MAX,
    f64::INFINITY,
    f64::NAN,
];

fn constants() -> impl Iterator<Item = f64> {
    CONSTANTS.into_iter().flat_map(|constant| [constant, -constant])
}

fn mathematics() -> impl Iterator<Item = &'static LibcFunction> {
    functions().iter().filter(|function| function.family == Family::Mathematics)
}

/// Everything hot from the first call on.
fn hot() -> Options {
    Options { lowest: Tier::Optimised, promotion: Promotion::Boots, ..Options::default() }
}

fn baseline() -> Options {
    Options { highest: Tier::Baseline, promotion: Promotion::Boots, ..Options::default() }
}

/// A module that imports `function` as `$it` and exports these: name, parameters, arguments of the call.
fn program(function: &LibcFunction, exports: &[(String, usize, String)]) -> String {
    let ty = function.params[0];
    let params = |count: usize| (0..count).map(|_| format!("(param {ty}) ")).collect::<String>();
    let body = |(name, count, args): &(String, usize, String)| {
        format!("(func (export \"{name}\") {} (result {ty}) (call $it {args}))\n", params(*count))
    };
    let bodies: String = exports.iter().map(body).collect();
    let signature = format!("{} (result {ty})", params(function.params.len()));
    format!("(module (import \"libc\" \"{}\" (func $it {signature})) (memory 1) {bodies})", function.name)
}

/// The constant as text: a float's bits are exact in a double's digits.
fn literal(ty: ValType, number: f64) -> String {
    let number = if ty == ValType::F32 { f64::from(number as f32) } else { number };
    let text = if number.is_nan() { "nan".to_string() } else { format!("{number:e}") };
    format!("({ty}.const {text})")
}

fn word(ty: ValType, number: f64) -> u64 {
    if ty == ValType::F32 { u64::from((number as f32).to_bits()) } else { number.to_bits() }
}

fn is_nan(ty: ValType, word: u64) -> bool {
    if ty == ValType::F32 { f32::from_bits(word as u32).is_nan() } else { f64::from_bits(word).is_nan() }
}

/// All ways to call `function` with one constant argument: the export's name, which place is the constant's, and it.
fn calls_with_constants(function: &LibcFunction) -> Vec<(String, usize, f64)> {
    let places = 0..function.params.len();
    let calls = places.flat_map(|place| constants().map(move |constant| (place, constant))).enumerate();
    calls.map(|(index, (place, constant))| (format!("f{index}"), place, constant)).collect()
}

/// The arguments given as text, for a constant at `place`.
fn arguments(function: &LibcFunction, place: usize, constant: f64) -> String {
    let args = (0..function.params.len()).map(|index| match index == place {
        true => literal(function.params[index], constant),
        false => "(local.get 0)".to_string(),
    });
    args.collect::<Vec<_>>().join(" ")
}

#[test]
fn calls_with_constants_give_the_bits_that_calls_of_the_function_give() {
    for cpu in [CpuFeatures::detect(), CpuFeatures::empty()] {
        for function in mathematics() {
            let ty = function.params[0];
            let calls = calls_with_constants(function);
            let free = function.params.len() - 1;
            let exports: Vec<_> = calls
                .iter()
                .map(|(name, place, constant)| (name.clone(), free, arguments(function, *place, *constant)))
                .collect();
            let mut hot = engine::engine_on(cpu, &program(function, &exports), hot(), Profile::default());
            let all = (0..=free).map(|index| format!("(local.get {index})")).collect::<Vec<_>>().join(" ");
            let plain = program(function, &[("plain".into(), free + 1, all)]);
            let mut plain = engine::engine_on(cpu, &plain, baseline(), Profile::default());
            let mut random = Random(7);
            for (name, place, constant) in &calls {
                let others = if free == 0 { vec![0.0] } else { others(&mut random) };
                for other in others {
                    let mut words = vec![word(ty, other); free + 1];
                    words[*place] = word(ty, *constant);
                    let expected = engine::call(&mut plain, "plain", &words)[0];
                    let result = engine::call(
                        &mut hot,
                        name,
                        &words[..free].iter().map(|_| word(ty, other)).collect::<Vec<_>>(),
                    )[0];
                    let same = result == expected || (is_nan(ty, result) && is_nan(ty, expected));
                    assert!(
                        same,
                        "{} with {constant} at {place}, {other}: {result:#x}, not {expected:#x}",
                        function.name
                    );
                }
            }
            let sums = hot.statistics();
            assert!(sums.functions_specialised as usize >= calls.len(), "{}: {sums:?}", function.name);
        }
    }
}

/// Arguments of all sizes, and of such as give results of all sizes.
#[test]
fn fused_multiply_add_changes_no_bit() {
    let cpus = [CpuFeatures::detect(), CpuFeatures::detect().without(CpuFeatures::FMA)];
    for function in ["pow", "cbrt", "hypot"].map(find) {
        let (ty, count) = (function.params[0], function.params.len());
        let all = (0..count).map(|index| format!("(local.get {index})")).collect::<Vec<_>>().join(" ");
        let text = program(function, &[("it".into(), count, all)]);
        let engines = cpus.into_iter().flat_map(|cpu| {
            [hot(), baseline()].map(|options| engine::engine_on(cpu, &text, options, Profile::default()))
        });
        let mut engines: Vec<_> = engines.collect();
        let mut random = Random(11);
        for _ in 0..20_000 {
            let any = f64::from_bits(random.next());
            let near_one = 1.0 + (random.next() as i64 as f64) / 2f64.powi(70);
            let exponent = (random.next() as i64 as f64) / 2f64.powi(53) / near_one.ln();
            let small = [random.next(), random.next()].map(|word| (word as i64 as f64) / 2f64.powi(58));
            for args in [[any, f64::from_bits(random.next())], [near_one, exponent], [any.abs(), small[0]], small] {
                let words: Vec<u64> = args[..count].iter().map(|arg| arg.to_bits()).collect();
                let results = engines.iter_mut().map(|engine| engine::call(engine, "it", &words)[0]);
                let results: Vec<u64> = results.collect();
                let is_same =
                    |word: &u64| *word == results[0] || [*word, results[0]].iter().all(|word| is_nan(ty, *word));
                assert!(results.iter().all(is_same), "{}{args:?}: {results:x?}", function.name);
            }
        }
    }
}

#[test]
fn products_less_a_number_are_single_instructions_where_the_cpu_has_them() {
    let fused = |cpu| {
        let code = code_of_hot_caller(cpu, find("pow"), "(local.get 0) (f64.const 0.4)");
        code.iter().filter(|instruction| format!("{:?}", instruction.mnemonic()).starts_with("Vfm")).count()
    };
    assert!(fused(CpuFeatures::AVX | CpuFeatures::FMA) >= 4);
    assert_eq!(fused(CpuFeatures::AVX), 0);
}

/// Values for an argument beside a constant one.
fn others(random: &mut Random) -> Vec<f64> {
    let mut others: Vec<f64> = constants().collect();
    for _ in 0..24 {
        others.push(f64::from_bits(random.next()));
        others.push((random.next() as i64 as f64) / 2f64.powi(58));
    }
    others
}

/// The instructions of the caller of `function` once it is hot, with these arguments, on `cpu`.
fn code_of_hot_caller(cpu: CpuFeatures, function: &LibcFunction, args: &str) -> Vec<Instruction> {
    let written = Written::default();
    let text = program(function, &[("caller".into(), function.params.len(), args.into())]);
    let bytes: &'static [u8] = wat::parse_str(&text).expect("a module").leak();
    let boot = |earlier: Profile| {
        let platform = record(host::platform(cpu).expect("address space can be reserved"), &written);
        let options = Options { promotion: Promotion::Boots, ..Options::default() };
        Engine::new(bytes, platform, Box::new(NoImports), options, earlier).expect("the module is valid")
    };
    let mut first = boot(Profile::default());
    for step in 0..300 {
        let number = word(function.params[0], f64::from(step) * 0.031 + 0.01);
        engine::call(&mut first, "caller", &vec![number; function.params.len()]);
    }
    let mut second = boot(first.learned());
    written.borrow_mut().clear();
    second.warm_up();
    // The caller's code, and the jump to it.
    let written = written.borrow();
    assert_eq!(written.len(), 2, "{}: nothing but the caller is compiled", function.name);
    let all: Vec<_> = Decoder::with_ip(64, &written[0], 0, DecoderOptions::NONE).into_iter().collect();
    // Constants follow the code that reads them.
    let read = all.iter().filter(|instruction| instruction.is_ip_rel_memory_operand());
    let read = read.map(Instruction::ip_rel_memory_address).filter(|address| *address < written[0].len() as u64);
    let end = read.min().unwrap_or(u64::MAX);
    all.into_iter().take_while(|instruction| instruction.ip() < end).collect()
}

fn calls(code: &[Instruction]) -> usize {
    code.iter().filter(|instruction| instruction.mnemonic() == Mnemonic::Call).count()
}

fn has(code: &[Instruction], wanted: &[Mnemonic]) -> bool {
    code.iter().any(|instruction| wanted.contains(&instruction.mnemonic()))
}

fn find(name: &str) -> &'static LibcFunction {
    bareflow::libc::find(name).expect("the registry lists it")
}

#[test]
fn roots_and_rounding_are_single_instructions_in_hot_callers() {
    let [root, rounding] = [
        [Mnemonic::Sqrtsd, Mnemonic::Sqrtss, Mnemonic::Vsqrtsd, Mnemonic::Vsqrtss],
        [Mnemonic::Roundsd, Mnemonic::Roundss, Mnemonic::Vroundsd, Mnemonic::Vroundss],
    ];
    let cases = [
        ("sqrt", root),
        ("sqrtf", root),
        ("floor", rounding),
        ("floorf", rounding),
        ("ceil", rounding),
        ("ceilf", rounding),
        ("round", rounding),
        ("roundf", rounding),
    ];
    for cpu in [CpuFeatures::detect(), CpuFeatures::SSE41] {
        for (name, expected) in cases {
            let code = code_of_hot_caller(cpu, find(name), "(local.get 0)");
            assert!(has(&code, &expected) && calls(&code) == 0, "{name} on {cpu:?}: {code:?}");
        }
    }
    let code = code_of_hot_caller(CpuFeatures::empty(), find("sqrt"), "(local.get 0)");
    assert!(has(&code, &root) && calls(&code) == 0, "{code:?}");
}

#[test]
fn hot_callers_of_shorter_functions_call_nothing_but_what_never_ran() {
    // Exponentials that are no normal numbers, logarithms of what has none, squares that are no normal numbers.
    let rare_calls =
        [("exp", 1), ("exp2", 1), ("expf", 1), ("exp2f", 1), ("log", 2), ("logf", 2), ("hypot", 1), ("hypotf", 1)];
    let names = ["exp", "exp2", "log", "hypot", "fmod", "expf", "exp2f", "logf", "hypotf", "fmodf"];
    for name in names {
        let function = find(name);
        let args = ["(local.get 0)", "(local.get 0) (local.get 1)"][function.params.len() - 1];
        let code = code_of_hot_caller(CpuFeatures::detect(), function, args);
        let rare = rare_calls.iter().find(|(rare, _)| *rare == name).map_or(0, |(_, calls)| *calls);
        assert!(calls(&code) == rare && code.len() > 15, "{name}: {} of {} instructions", calls(&code), code.len());
    }
}

#[test]
fn what_a_constant_decides_is_not_in_the_code_of_hot_callers() {
    // Most instructions, which include those of entering, counting and leaving.
    let cases = [
        ("pow", "(local.get 0) (f64.const 2)", 25),
        ("pow", "(local.get 0) (f64.const 1)", 25),
        ("pow", "(local.get 0) (f64.const 0)", 25),
        ("pow", "(local.get 0) (f64.const -1)", 25),
        ("powf", "(local.get 0) (f32.const 2)", 25),
        ("exp2", "(f64.const 3)", 30),
        ("sqrt", "(f64.const 2)", 25),
        ("round", "(f64.const 2.5)", 20),
    ];
    for (name, args, most) in cases {
        let code = code_of_hot_caller(CpuFeatures::detect(), find(name), args);
        let branches = code.iter().filter(|instruction| instruction.is_jcc_short_or_near()).count();
        assert!(calls(&code) == 0 && branches == 0, "{name} {args}: {code:?}");
        assert!(code.len() <= most, "{name} {args}: {} instructions", code.len());
    }
    // One of the calls of `pow` and all that it calls remains.
    let code = code_of_hot_caller(CpuFeatures::detect(), find("pow"), "(local.get 0) (local.get 1)");
    assert!(calls(&code) == 1 && code.len() <= 20, "{code:?}");
    let code = code_of_hot_caller(CpuFeatures::detect(), find("pow"), "(local.get 0) (f64.const 0.5)");
    assert!(has(&code, &[Mnemonic::Sqrtsd, Mnemonic::Vsqrtsd]), "{code:?}");
}

#[test]
fn a_function_with_many_calls_does_not_become_enormous() {
    let chain = (1..60).fold("(local.get 0)".to_string(), |inner, _| format!("(call $it {inner} (local.get 1))"));
    let code = code_of_hot_caller(CpuFeatures::detect(), find("fmod"), &format!("{chain} (local.get 1)"));
    assert!((40..55).contains(&calls(&code)), "{} calls of 60", calls(&code));
    // As many squares are no more than as many products.
    let chain = (1..30).fold("(local.get 0)".to_string(), |inner, _| format!("(call $it {inner} (f64.const 2))"));
    let code = code_of_hot_caller(CpuFeatures::detect(), find("pow"), &format!("{chain} (f64.const 2)"));
    assert_eq!(calls(&code), 0, "of 30");
}

#[test]
fn calls_in_arms_that_never_ran_stay_calls() {
    let negative = "(f64.lt (local.get 0) (f64.const 0))";
    let call = "(call $it (local.get 0) (local.get 1))";
    let arm = format!("(if (result f64) {negative} (then {call}) (else (local.get 0))) (local.get 1)");
    let code = code_of_hot_caller(CpuFeatures::detect(), find("fmod"), &arm);
    assert_eq!(calls(&code), 1, "{code:?}");
}

#[test]
fn promotion_in_flight_does_not_change_results() {
    for function in mathematics() {
        let ty = function.params[0];
        let all = (0..function.params.len()).map(|index| format!("(local.get {index})")).collect::<String>();
        let text = program(function, &[("caller".into(), function.params.len(), all)]);
        let flight = Options { thresholds: Some(Thresholds::default()), ..Options::default() };
        let mut engines = [flight, baseline()].map(|options| engine::engine(&text, options, Profile::default()));
        let mut random = Random(3);
        for step in 0..1_500 {
            let mut number = || (random.next() as i64 as f64) / 2f64.powi(57 + step % 5);
            let words: Vec<u64> = function.params.iter().map(|_| word(ty, number())).collect();
            let [result, expected] = engines.each_mut().map(|engine| engine::call(engine, "caller", &words)[0]);
            let same = result == expected || (is_nan(ty, result) && is_nan(ty, expected));
            assert!(same, "{} of {words:x?}: {result:#x}, not {expected:#x}", function.name);
        }
        let sums = engines[0].statistics();
        assert!(sums.functions_specialised > 0, "{}: {sums:?}", function.name);
    }
}
