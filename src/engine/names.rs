//! Numbers by which translated code names what is outside it, and why it traps: `translate` writes them, `code` and `run` read
//! them.

use cranelift_codegen::ir::TrapCode;

/// What the names in relocations refer to.
pub mod namespace {
    /// Index: function identifier.
    pub const FUNCTION: u32 = 0;
    /// Index: see [`super::TRAMPOLINE_RUNTIME`].
    pub const TRAMPOLINE: u32 = 1;
    /// Index: kernel identifier.
    pub const KERNEL: u32 = 2;
    /// The same, for calls that something is to be pasted over.
    pub const ROOM: u32 = 3;
    /// State memory; index 0.
    pub const STATE: u32 = 4;
}

/// The trampolines to the engine, as indices of their namespace.
pub const TRAMPOLINE_RUNTIME: u32 = 0;
pub const TRAMPOLINE_NOTE: u32 = 1;

/// Traps that are not Cranelift's own.
pub mod trap_code {
    use super::TrapCode;
    pub const UNREACHABLE: TrapCode = TrapCode::unwrap_user(1);
    pub const TABLE_OUT_OF_BOUNDS: TrapCode = TrapCode::unwrap_user(2);
    pub const NULL_FUNCTION: TrapCode = TrapCode::unwrap_user(3);
    pub const SIGNATURE_MISMATCH: TrapCode = TrapCode::unwrap_user(4);
    pub const UNDEFINED_ELEMENT: TrapCode = TrapCode::unwrap_user(5);
    pub const NULL_EXCEPTION: TrapCode = TrapCode::unwrap_user(6);
    pub const UNALIGNED_ATOMIC: TrapCode = TrapCode::unwrap_user(7);
    pub const UNSHARED_MEMORY: TrapCode = TrapCode::unwrap_user(8);
}
