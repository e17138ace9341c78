//! Every function that a program can import: name, WebAssembly type, handler.

use super::arguments::{Argument, OpenRequest, TimesRequest, Words, flatten};
use super::memory::{GuestMemory, Span};
use super::{Outcome, Wasi};
use wasmparser::ValType;

/// A row of the table.
pub struct Function {
    pub name: &'static str,
    pub params: &'static [ValType],
    pub results: &'static [ValType],
    pub handler: fn(&mut Wasi<'_>, &mut GuestMemory<'_>, &mut Words<'_>) -> Outcome,
}

/// What all functions but `proc_exit` return: an errno.
const ERRNO: &[ValType] = &[ValType::I32];

const NOTHING: &[ValType] = &[];

/// Rows from `name(argument types) -> results`: the handler is the method `Wasi::name`, and the parameter types come
/// from its argument types.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) -> $results:ident;)*) => {
        &[$(Function {
            name: stringify!($name),
            params: {
                const COUNT: usize = 0 $(+ <$argument as Argument>::TYPES.len())*;
                const TYPES: [ValType; COUNT] = flatten(&[$(<$argument as Argument>::TYPES),*]);
                &TYPES
            },
            results: $results,
            handler: |wasi, memory, _words| wasi.$name(memory, $(<$argument as Argument>::take(_words)),*),
        }),*]
    };
}

/// In the order of the specification. An index is the `id` of [`crate::engine::seams::HostFunction`].
pub static FUNCTIONS: &[Function] = functions! {
    args_get(u32, u32) -> ERRNO;
    args_sizes_get(u32, u32) -> ERRNO;
    environ_get(u32, u32) -> ERRNO;
    environ_sizes_get(u32, u32) -> ERRNO;
    clock_res_get(u32, u32) -> ERRNO;
    clock_time_get(u32, u64, u32) -> ERRNO;
    fd_advise(u32, u64, u64, u32) -> ERRNO;
    fd_allocate(u32, u64, u64) -> ERRNO;
    fd_close(u32) -> ERRNO;
    fd_datasync(u32) -> ERRNO;
    fd_fdstat_get(u32, u32) -> ERRNO;
    fd_fdstat_set_flags(u32, u32) -> ERRNO;
    fd_fdstat_set_rights(u32, u64, u64) -> ERRNO;
    fd_filestat_get(u32, u32) -> ERRNO;
    fd_filestat_set_size(u32, u64) -> ERRNO;
    fd_filestat_set_times(u32, TimesRequest) -> ERRNO;
    fd_pread(u32, Span, u64, u32) -> ERRNO;
    fd_prestat_get(u32, u32) -> ERRNO;
    fd_prestat_dir_name(u32, Span) -> ERRNO;
    fd_pwrite(u32, Span, u64, u32) -> ERRNO;
    fd_read(u32, Span, u32) -> ERRNO;
    fd_readdir(u32, Span, u64, u32) -> ERRNO;
    fd_renumber(u32, u32) -> ERRNO;
    fd_seek(u32, i64, u32, u32) -> ERRNO;
    fd_sync(u32) -> ERRNO;
    fd_tell(u32, u32) -> ERRNO;
    fd_write(u32, Span, u32) -> ERRNO;
    path_create_directory(u32, Span) -> ERRNO;
    path_filestat_get(u32, u32, Span, u32) -> ERRNO;
    path_filestat_set_times(u32, u32, Span, TimesRequest) -> ERRNO;
    path_link(u32, u32, Span, u32, Span) -> ERRNO;
    path_open(u32, u32, OpenRequest, u32) -> ERRNO;
    path_readlink(u32, Span, Span, u32) -> ERRNO;
    path_remove_directory(u32, Span) -> ERRNO;
    path_rename(u32, Span, u32, Span) -> ERRNO;
    path_symlink(Span, u32, Span) -> ERRNO;
    path_unlink_file(u32, Span) -> ERRNO;
    poll_oneoff(u32, u32, u32, u32) -> ERRNO;
    proc_exit(u32) -> NOTHING;
    proc_raise(u32) -> ERRNO;
    sched_yield() -> ERRNO;
    random_get(Span) -> ERRNO;
    sock_accept(u32, u32, u32) -> ERRNO;
    sock_recv(u32, Span, u32, u32, u32) -> ERRNO;
    sock_send(u32, Span, u32, u32) -> ERRNO;
    sock_shutdown(u32, u32) -> ERRNO;
};
