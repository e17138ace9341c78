//! Native libraries as contestants: the same loops, which call through a pointer that the compiler cannot see through.

use crate::contestant::Contestant;
use crate::loops::{EMPTY, Function};
use crate::measure::REFERENCE;
use crate::table::{ROW_BYTES, Table, step};
use bareflow::libc::LibcFunction;
use std::ffi::{CString, c_void};
use std::hint::black_box;
use std::ops::{Add, Mul};
use std::path::Path;
use wasmparser::ValType;

/// A libc's functions by name.
pub struct Library {
    pub name: &'static str,
    /// What `dlopen` returned; none for what this process is linked with.
    object: Option<*mut c_void>,
}

impl Library {
    /// This process's libc.
    pub fn of_process() -> Self {
        Self { name: REFERENCE, object: None }
    }

    /// The shared object that `prepare.sh` made at `path`; none if it is not there or cannot be loaded.
    pub fn open(name: &'static str, path: &Path) -> Option<Self> {
        let path = CString::new(path.to_str()?).ok()?;
        // SAFETY: the object has no initialisers and no dependencies: it was linked from pure functions, with -nostdlib.
        let object = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        (!object.is_null()).then_some(Self { name, object: Some(object) })
    }

    /// A contestant that calls `function` with what lies in the memory at `base`.
    pub fn contestant(&self, function: Function, base: *mut u8) -> Option<Native> {
        let address = if function == EMPTY { empty as *const c_void } else { self.find(function.name)? };
        Some(Native { name: self.name, function, address, base })
    }

    /// The same for a function of numbers, each call of which `waits` for the one before or not.
    pub fn of_numbers(&self, function: &LibcFunction, waits: bool, base: *mut u8) -> Option<NativeNumbers> {
        let address = self.find(function.name)?;
        let (is_double, is_of_two) = (function.results[0] == ValType::F64, function.params.len() == 2);
        Some(NativeNumbers { name: self.name, address, base, is_double, is_of_two, waits })
    }

    fn find(&self, function: &str) -> Option<*const c_void> {
        let Some(object) = self.object else { return symbol(libc::RTLD_DEFAULT, function) };
        let pointer = symbol(object, &format!("bench_{function}"))?;
        // SAFETY: `prepare.sh` defines each such symbol as a pointer to the function.
        Some(unsafe { pointer.cast::<*const c_void>().read() })
    }
}

fn symbol(object: *mut c_void, name: &str) -> Option<*const c_void> {
    let name = CString::new(name).ok()?;
    // SAFETY: the object is open and never closed, or stands for the process; the name is a C string.
    let address = unsafe { libc::dlsym(object, name.as_ptr()) };
    (!address.is_null()).then_some(address.cast_const())
}

extern "C" fn empty(first: usize, _: usize, _: usize) -> usize {
    first
}

/// One function of a native library.
pub struct Native {
    name: &'static str,
    function: Function,
    address: *const c_void,
    /// Start of the linear memory of an engine that outlives this.
    base: *mut u8,
}

impl Contestant for Native {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self, table: Table, passes: u32) -> u32 {
        let (address, base) = (black_box(self.address), self.base);
        match self.function.addresses {
            [true, true, false] => walk::<Three<true>>(address, base, table, passes),
            [true, false, false] => walk::<Three<false>>(address, base, table, passes),
            [true, true] => walk::<Two<true>>(address, base, table, passes),
            [true, false] => walk::<Two<false>>(address, base, table, passes),
            _ => walk::<One>(address, base, table, passes),
        }
    }

    fn address_bias(&self) -> u32 {
        if self.function.returns_address { self.base as usize as u32 } else { 0 }
    }
}

/// How a row's words become arguments.
trait Shape {
    /// # Safety
    /// `function` takes as many words in registers, and `row` holds arguments that it may be called with.
    unsafe fn call(function: *const c_void, base: *mut u8, row: *const u32) -> usize;
}

struct One;
/// `SECOND`: whether the second argument is an address, too.
struct Two<const SECOND: bool>;
struct Three<const SECOND: bool>;

impl Shape for One {
    #[inline(always)]
    unsafe fn call(function: *const c_void, base: *mut u8, row: *const u32) -> usize {
        // SAFETY: the caller's promise; integers and pointers are passed alike.
        let function: extern "C" fn(usize) -> usize = unsafe { std::mem::transmute(function) };
        function(address(base, row))
    }
}

impl<const SECOND: bool> Shape for Two<SECOND> {
    #[inline(always)]
    unsafe fn call(function: *const c_void, base: *mut u8, row: *const u32) -> usize {
        // SAFETY: the caller's promise; integers and pointers are passed alike.
        let function: extern "C" fn(usize, usize) -> usize = unsafe { std::mem::transmute(function) };
        function(address(base, row), second::<SECOND>(base, row))
    }
}

impl<const SECOND: bool> Shape for Three<SECOND> {
    #[inline(always)]
    unsafe fn call(function: *const c_void, base: *mut u8, row: *const u32) -> usize {
        // SAFETY: the caller's promise; integers and pointers are passed alike.
        let function: extern "C" fn(usize, usize, usize) -> usize = unsafe { std::mem::transmute(function) };
        function(address(base, row), second::<SECOND>(base, row), word(row, 2))
    }
}

#[inline(always)]
fn second<const IS_ADDRESS: bool>(base: *mut u8, row: *const u32) -> usize {
    if IS_ADDRESS { address(base, row.wrapping_add(1)) } else { word(row, 1) }
}

#[inline(always)]
fn address(base: *mut u8, word_of_row: *const u32) -> usize {
    base as usize + word(word_of_row, 0)
}

#[inline(always)]
fn word(row: *const u32, index: usize) -> usize {
    // SAFETY: rows lie in linear memory, which is accessible, and are aligned to words.
    unsafe { row.wrapping_add(index).read() as usize }
}

#[inline(never)]
fn walk<S: Shape>(function: *const c_void, base: *mut u8, table: Table, passes: u32) -> u32 {
    let mut sum = 0_u32;
    for_each_row(base, table, passes, |row| {
        // SAFETY: the function is the one that the table was laid out for, and the shape is that of its arguments.
        sum = sum.wrapping_add(unsafe { S::call(function, base, row) } as u32);
    });
    sum
}

#[inline(always)]
fn for_each_row(base: *mut u8, table: Table, passes: u32, mut step: impl FnMut(*const u32)) {
    let first: *const u32 = base.wrapping_add(table.first as usize).cast();
    let end: *const u32 = base.wrapping_add(table.end() as usize).cast();
    for _ in 0..passes {
        let mut row = first;
        while row != end {
            step(row);
            row = row.wrapping_byte_add(ROW_BYTES as usize);
        }
    }
}

/// One function of numbers of a native library.
pub struct NativeNumbers {
    name: &'static str,
    address: *const c_void,
    /// Start of the linear memory of an engine that outlives this.
    base: *mut u8,
    is_double: bool,
    is_of_two: bool,
    waits: bool,
}

impl Contestant for NativeNumbers {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self, table: Table, passes: u32) -> u32 {
        let (address, base) = (black_box(self.address), self.base);
        let sum = match (self.is_double, self.is_of_two) {
            // SAFETY: the function takes and returns what the registry of the libc says, as C passes it.
            (true, false) => unsafe {
                let function: extern "C" fn(f64) -> f64 = std::mem::transmute(address);
                self.numbers(base, table, passes, |first, _| function(first)) as f32
            },
            // SAFETY: as above.
            (true, true) => unsafe {
                let function: extern "C" fn(f64, f64) -> f64 = std::mem::transmute(address);
                self.numbers(base, table, passes, |first, second| function(first, second)) as f32
            },
            // SAFETY: as above.
            (false, false) => unsafe {
                let function: extern "C" fn(f32) -> f32 = std::mem::transmute(address);
                self.numbers(base, table, passes, |first, _| function(first))
            },
            // SAFETY: as above.
            (false, true) => unsafe {
                let function: extern "C" fn(f32, f32) -> f32 = std::mem::transmute(address);
                self.numbers(base, table, passes, |first, second| function(first, second))
            },
        };
        sum.to_bits()
    }
}

impl NativeNumbers {
    fn numbers<N>(&self, base: *mut u8, table: Table, passes: u32, function: impl Fn(N, N) -> N) -> N
    where
        N: Copy + Default + Add<Output = N> + Mul<Output = N>,
    {
        if self.waits { waiting(base, table, passes, function) } else { independent(base, table, passes, function) }
    }
}

#[inline(always)]
fn independent<N: Copy + Default + Add<Output = N>>(
    base: *mut u8,
    table: Table,
    passes: u32,
    function: impl Fn(N, N) -> N,
) -> N {
    let mut sum = N::default();
    for_each_row(base, table, passes, |row| sum = sum + function(number(base, row, 0), number(base, row, 1)));
    sum
}

#[inline(always)]
fn waiting<N: Copy + Default + Add<Output = N> + Mul<Output = N>>(
    base: *mut u8,
    table: Table,
    passes: u32,
    function: impl Fn(N, N) -> N,
) -> N {
    let (mut result, nothing) = (N::default(), N::default());
    for_each_row(base, table, passes, |row| {
        result = function(number::<N>(base, row, 0) + result * nothing, number(base, row, 1));
    });
    result
}

/// The number whose address is a word of `row`.
#[inline(always)]
fn number<N: Copy>(base: *mut u8, row: *const u32, index: usize) -> N {
    let place: *const N = base.wrapping_add(word(row, index)).cast();
    // SAFETY: rows of tables for functions of numbers hold addresses of numbers in linear memory, aligned to 8 bytes.
    unsafe { place.read() }
}

/// The functions of a heap.
#[derive(Clone, Copy)]
pub struct Heap {
    pub name: &'static str,
    pub malloc: unsafe extern "C" fn(usize) -> *mut c_void,
    pub calloc: unsafe extern "C" fn(usize, usize) -> *mut c_void,
    pub realloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub free: unsafe extern "C" fn(*mut c_void),
}

/// A native heap that follows a trace, or makes pairs of one `malloc` and one `free`.
pub struct NativeHeap {
    pub heap: Heap,
    pub base: *mut u8,
    pub pairs: bool,
}

impl Contestant for NativeHeap {
    fn name(&self) -> &'static str {
        self.heap.name
    }

    fn run(&mut self, table: Table, passes: u32) -> u32 {
        let heap = black_box(self.heap);
        if self.pairs {
            pairs(heap, self.base, table, passes)
        } else {
            trace(heap, self.base, table, passes)
        }
        0
    }
}

#[inline(never)]
fn pairs(heap: Heap, base: *mut u8, table: Table, passes: u32) {
    for_each_row(base, table, passes, |row| {
        // SAFETY: a block of any size may be asked for.
        let block = unsafe { (heap.malloc)(word(row, 0)) };
        // SAFETY: the block is this heap's and was not freed.
        unsafe { (heap.free)(block) };
    });
}

#[inline(never)]
fn trace(heap: Heap, base: *mut u8, table: Table, passes: u32) {
    for_each_row(base, table, passes, |row| {
        let slot: *mut *mut c_void = base.wrapping_add(word(row, 1)).cast();
        let size = word(row, 2);
        // SAFETY: slots lie in linear memory, 8 bytes each; the trace frees and resizes only blocks that it holds there,
        // which are this heap's.
        unsafe {
            match word(row, 0) as u32 {
                step::FREE => (heap.free)(slot.read()),
                step::MALLOC => slot.write((heap.malloc)(size)),
                step::CALLOC => slot.write((heap.calloc)(1, size)),
                _ => slot.write((heap.realloc)(slot.read(), size)),
            }
        }
    });
}
