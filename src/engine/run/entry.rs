//! Where a program begins: `_start` of a command, or a function that somebody names, with arguments in words.
//!
//! Key type: [`Entry`]. Neighbour: `session` runs one.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use wasmparser::{FuncType, ValType};

use super::trap::Ending;
use super::{Engine, EngineError, Value};
use crate::engine::decode::program::{FuncId, FunctionKind, PROGRAM};
use crate::engine::layout::function;

/// The function with which a command begins, and that by which a reactor is initialised before others are called (WASI, application
/// ABI).
const START: &str = "_start";
const INITIALISE: &str = "_initialize";

/// What a libc and a language's runtime call before there is anything to do.
const ONLY_INITIALISE: [&str; 9] = [
    "args_get",
    "args_sizes_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_fdstat_get",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "random_get",
];

/// What of a program is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Entry {
    /// The function `_start`.
    #[default]
    Command,
    /// An exported function, with its arguments as people write them.
    Function { name: String, arguments: Vec<String> },
}

impl Engine {
    /// Runs the program from `entry` on: how it ended, and what the function returned, as people write it.
    pub fn run_entry(&mut self, entry: &Entry) -> Result<(Ending, Vec<String>), EngineError> {
        match entry {
            Entry::Command => Ok((self.run()?, Vec::new())),
            Entry::Function { name, arguments } => self.run_function(name, arguments),
        }
    }

    fn run_function(&mut self, name: &str, arguments: &[String]) -> Result<(Ending, Vec<String>), EngineError> {
        let id = self.exported(PROGRAM, name).ok_or_else(|| self.no_entry(name))?;
        let ty = self.program.function_type(id).clone();
        let mut values =
            values(&ty, arguments).map_err(|problem| EngineError::Arguments { function: name.to_string(), problem })?;
        values.resize(ty.params().len().max(ty.results().len()), [0; 2]);
        if let Some(ending) = self.start(PROGRAM)? {
            return Ok((ending, Vec::new()));
        }
        if self.plain(START).is_none()
            && let Some(initialise) = self.plain(INITIALISE)
            && let Some(ending) = self.call(initialise, &mut [])?
        {
            return Ok((ending, Vec::new()));
        }
        if let Some(ending) = self.call(id, &mut values)? {
            return Ok((ending, Vec::new()));
        }
        let results = values.iter().zip(ty.results()).map(|(value, ty)| shown(*value, *ty));
        Ok((Ending::Exit(0), results.collect()))
    }

    /// The function that the program exports as `name`, if it has neither parameters nor results.
    fn plain(&self, name: &str) -> Option<FuncId> {
        let plain = |id: &FuncId| *self.program.function_type(*id) == FuncType::new([], []);
        self.exported(PROGRAM, name).filter(plain)
    }

    pub(super) fn command_entry(&self) -> Result<FuncId, EngineError> {
        self.plain(START).ok_or_else(|| self.no_entry("_start without parameters"))
    }

    pub(super) fn no_entry(&self, name: &str) -> EngineError {
        EngineError::NoEntry { name: name.to_string(), others: self.callable() }
    }

    /// Functions that the program exports for others to call: those whose names begin with `_` are for its language's runtime.
    fn callable(&self) -> Vec<&'static str> {
        let exported = self.program.modules[PROGRAM].exported_functions().map(|export| export.name);
        exported.filter(|name| !name.starts_with('_')).collect()
    }

    /// The functions that a command exports which has ended without doing more than to initialise itself: its user may have
    /// meant one of them.
    pub fn left_uncalled(&self) -> Vec<&'static str> {
        let called = self.ids().filter(|id| self.calls_of(*id) > 0);
        let mut hosts = called.filter(|id| matches!(self.program.info(*id).kind, FunctionKind::Host { .. }));
        let initialises = |id| self.program.info(id).import.is_some_and(|(_, name)| ONLY_INITIALISE.contains(&name));
        if hosts.all(initialises) { self.callable() } else { Vec::new() }
    }

    pub(super) fn count_host_call(&mut self, id: FuncId) {
        let calls = self.functions[id.0 as usize].counters + function::CALLS;
        let counted = self.platform.state.read(calls);
        self.platform.state.write(calls, counted.saturating_add(1));
    }
}

/// The arguments of a function of this type, or what is wrong with them.
fn values(ty: &FuncType, arguments: &[String]) -> Result<Vec<Value>, String> {
    let (wanted, given) = (ty.params().len(), arguments.len());
    if wanted != given {
        let types: Vec<String> = ty.params().iter().map(ToString::to_string).collect();
        return Err(format!("takes {wanted} arguments ({}), and {given} are given", types.join(" ")));
    }
    let pairs = ty.params().iter().zip(arguments).enumerate();
    pairs
        .map(|(index, (ty, text))| value(*ty, text).map_err(|why| format!("cannot take argument {}: {why}", index + 1)))
        .collect()
}

fn value(ty: ValType, text: &str) -> Result<Value, String> {
    let bits = match ty {
        ValType::I32 => integer(text).and_then(|value| {
            let signed = i32::try_from(value).ok().map(|value| value as u32);
            signed.or_else(|| u32::try_from(value).ok()).map(u64::from)
        }),
        ValType::I64 => integer(text).and_then(|value| {
            let signed = i64::try_from(value).ok().map(|value| value as u64);
            signed.or_else(|| u64::try_from(value).ok())
        }),
        ValType::F32 => text.parse().ok().map(|value: f32| u64::from(value.to_bits())),
        ValType::F64 => text.parse().ok().map(f64::to_bits),
        other => return Err(format!("a value of type {other} cannot be written here")),
    };
    bits.map(|bits| [bits, 0]).ok_or_else(|| format!("\"{}\" is no {ty}", text.escape_debug()))
}

/// A decimal number, or a hexadecimal one behind `0x`.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let value = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with(['+', '-']) => i128::from_str_radix(digits, 16).ok()?,
        Some(_) => return None,
        None if digits.starts_with('-') => return None,
        None => digits.parse().ok()?,
    };
    Some(if negative { value.checked_neg()? } else { value })
}

fn shown(value: Value, ty: ValType) -> String {
    let [low, high] = value;
    match ty {
        ValType::I32 => (low as i32).to_string(),
        ValType::I64 => (low as i64).to_string(),
        ValType::F32 => f32::from_bits(low as u32).to_string(),
        ValType::F64 => f64::from_bits(low).to_string(),
        ValType::V128 => (u128::from(high) << 64 | u128::from(low)).to_string(),
        other if low == 0 => format!("<null {other}>"),
        other => format!("<{other}>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_what_the_signature_says() {
        let values = |params: &[ValType], text: &[&str]| {
            let arguments: Vec<String> = text.iter().map(ToString::to_string).collect();
            super::values(&FuncType::new(params.iter().copied(), []), &arguments)
        };
        let all = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];
        let expected = [0xffff_fff9, 16, u64::from(1.5_f32.to_bits()), (-1e300_f64).to_bits()].map(|bits| [bits, 0]);
        assert_eq!(values(&all, &["-7", "0x10", "1.5", "-1e300"]), Ok(expected.to_vec()));
        assert_eq!(
            ["4294967295", "0xffffffff", "-2147483648"].map(|text| value(ValType::I32, text)),
            [0xffff_ffff, 0xffff_ffff, 0x8000_0000].map(|bits| Ok([bits, 0]))
        );
        for text in ["4294967296", "-2147483649", "", "x", "0x", "1.0", "--1", "-0x-1", "0x+1", " 1"] {
            let why = format!("cannot take argument 1: \"{text}\" is no i32");
            assert_eq!(values(&[ValType::I32], &[text]), Err(why));
        }
        assert_eq!(values(&all, &["1"]), Err("takes 4 arguments (i32 i64 f32 f64), and 1 are given".into()));
        assert_eq!(values(&[], &["1"]), Err("takes 0 arguments (), and 1 are given".into()));
        let why = "cannot take argument 1: a value of type v128 cannot be written here";
        assert_eq!(values(&[ValType::V128], &["0"]), Err(why.into()));
    }

    #[test]
    fn results_are_shown_by_their_types() {
        let shown = |bits, ty| shown([bits, 0], ty);
        assert_eq!(shown(u64::from(u32::MAX), ValType::I32), "-1");
        assert_eq!(shown(u64::MAX, ValType::I64), "-1");
        assert_eq!(shown(u64::from(0.1_f32.to_bits()), ValType::F32), "0.1");
        assert_eq!(shown(f64::NAN.to_bits(), ValType::F64), "NaN");
        assert_eq!(super::shown([1, 1], ValType::V128), "18446744073709551617");
        assert_eq!(shown(0, ValType::FUNCREF), "<null funcref>");
    }
}
