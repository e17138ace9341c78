//! Modules with many of everything, each of it small: built upon `bodies`, which has the encoding.

use crate::bodies::{counted, number, op, section, signed, sized};

/// A command that does nothing, with so many of each. Function 0 is `_start`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wide {
    /// Function types, each unlike the others.
    pub types: usize,
    /// Functions of the libc and of WASI.
    pub imports: usize,
    pub functions: usize,
    /// Entries of one table.
    pub entries: usize,
    /// Element segments of one function each: one for the table, the next to be used later, in turn.
    pub elements: usize,
    /// A constant and a variable in turn.
    pub globals: usize,
    /// Exports of functions.
    pub exports: usize,
    pub data: usize,
    /// Names of functions.
    pub names: usize,
}

impl Wide {
    /// `count` of everything.
    pub const fn of_everything(count: usize) -> Self {
        Self {
            types: count,
            imports: count,
            functions: count,
            entries: count,
            elements: count,
            globals: count,
            exports: count,
            data: count,
            names: count,
        }
    }

    pub fn wasm(&self) -> Vec<u8> {
        let functions = self.functions.max(1);
        let start = self.imports as u64;
        let function = |index: usize| number(start + (index % functions) as u64);
        let at = |index: usize| [&[op::I32_CONST], &*signed(index as i64), &[op::END]].concat();
        let types = [vec![0x60, 0, 0], vec![0x60, 3, op::I32, op::I32, op::I32, 1, op::I32], FD_WRITE.to_vec()];
        let types = types.into_iter().chain((0..self.types).map(distinct_type));
        let imports = [import("libc", "memcpy", 1), import("wasi_snapshot_preview1", "fd_write", 2)];
        let table = [&[0x70, 1], &*number(self.entries as u64), &*number(self.entries as u64)].concat();
        let element = |index: usize| match index % 2 {
            0 if self.entries > 0 => [&[0], &*at(index % self.entries), &[1], &*function(index)].concat(),
            _ => [&[1, 0, 1], &*function(index)].concat(),
        };
        let global = |index: usize| [&[op::I32, index as u8 % 2], &*at(index)].concat();
        let export = |index: usize| [sized(format!("export {index}").as_bytes()), vec![0], function(index)].concat();
        let starts = [sized(b"_start"), vec![0], number(start)].concat();
        let exports =
            [starts, [sized(b"memory"), vec![2, 0]].concat()].into_iter().chain((0..self.exports).map(export));
        let data = |index: usize| [&[0], &*at(8 * index), &[4], &(index as u32).to_le_bytes()[..]].concat();
        let name = |index: usize| [function(index), sized(format!("name {index}").as_bytes())].concat();
        let names = [vec![1], sized(&list(0..self.names.min(functions), name))].concat();
        let body = |index: usize| sized(&[&[0, op::I32_CONST], &*signed(index as i64), &[op::DROP, op::END]].concat());
        let pages = number((8 * self.data as u64).div_ceil(65536).max(1));
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &counted(&types.collect::<Vec<_>>())),
            section(2, &list(0..self.imports, |index| imports[index % 2].clone())),
            section(3, &list(0..functions, |_| vec![0])),
            section(4, &counted(&[table])),
            section(5, &[&[1, 0], &*pages].concat()),
            section(6, &list(0..self.globals, global)),
            section(7, &counted(&exports.collect::<Vec<_>>())),
            section(9, &list(0..self.elements, element)),
            section(10, &list(0..functions, body)),
            section(11, &list(0..self.data, data)),
            section(0, &[sized(b"name"), names].concat()),
        ]
        .concat()
    }
}

const FD_WRITE: [u8; 8] = [0x60, 4, op::I32, op::I32, op::I32, op::I32, 1, op::I32];

/// Items behind their count.
fn list(indices: std::ops::Range<usize>, item: impl FnMut(usize) -> Vec<u8>) -> Vec<u8> {
    counted(&indices.map(item).collect::<Vec<_>>())
}

fn import(module: &str, name: &str, ty: u8) -> Vec<u8> {
    [sized(module.as_bytes()), sized(name.as_bytes()), vec![0, ty]].concat()
}

/// A type whose ten parameters are the digits of `index`.
fn distinct_type(index: usize) -> Vec<u8> {
    let digit = |place: u32| op::I32 - (index / 4_usize.pow(place) % 4) as u8;
    [vec![0x60, 10], (0..10).map(digit).collect(), vec![0]].concat()
}
