//! Sockets: there are none, so a descriptor is either bad or not a socket.

use super::abi::Errno;
use super::memory::{GuestMemory, Span};
use super::{Outcome, Wasi};

impl Wasi<'_> {
    pub(super) fn sock_accept(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        _flags: u32,
        _accepted: u32,
    ) -> Outcome {
        self.not_a_socket(fd)
    }

    pub(super) fn sock_recv(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        _iovecs: Span,
        _flags: u32,
        _count: u32,
        _result_flags: u32,
    ) -> Outcome {
        self.not_a_socket(fd)
    }

    pub(super) fn sock_send(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        _iovecs: Span,
        _flags: u32,
        _count: u32,
    ) -> Outcome {
        self.not_a_socket(fd)
    }

    pub(super) fn sock_shutdown(&mut self, _memory: &mut GuestMemory<'_>, fd: u32, _how: u32) -> Outcome {
        self.not_a_socket(fd)
    }

    fn not_a_socket(&self, fd: u32) -> Outcome {
        self.descriptors.get(fd)?;
        Err(Errno::Notsock.into())
    }
}
