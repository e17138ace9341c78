//! Standard output of a program that runs as a process: collected, because a system call costs more than a line.
//!
//! [`Output`] passes on what it has once that is enough, when it is told to, and in any case within a tenth of a second;
//! to a terminal at every end of a line. A failure is told to the program at a later write, as C's `stdio` does, and
//! what was lost by it is a [`Loss`] in the end. Neighbour: `host::wasi`, the console on top of it.

use std::boxed::Box;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use std::vec::Vec;

use crate::wasi::WriteFailed;

/// So many bytes are not kept waiting for more; what a pipe holds on Linux.
const ENOUGH: usize = 64 << 10;
/// The longest that anything is kept.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between attempts at an output that another process made non-blocking.
const RETRY: Duration = Duration::from_millis(1);

/// What the program writes to its standard output. Clones are the same output.
#[derive(Clone)]
pub struct Output {
    state: Arc<Mutex<State>>,
}

struct State {
    sink: Box<dyn Write + Send>,
    /// The sink is a terminal.
    by_lines: bool,
    pending: Vec<u8>,
    /// A failure that the program has not been told of.
    failure: Option<WriteFailed>,
    loss: Option<Loss>,
    /// There is a thread that will look at `pending` within [`PATIENCE`].
    is_watched: bool,
    /// A line of [`Output::show`] is on the terminal.
    is_shown: bool,
    /// How often something was written.
    writes: u64,
}

/// Bytes that were taken from the program and did not arrive.
#[derive(Debug)]
pub struct Loss {
    pub bytes: u64,
    /// Why the first of them did not.
    pub error: io::Error,
}

impl Output {
    /// The process's own standard output.
    pub fn of_process() -> io::Result<Self> {
        let stdout = io::stdout();
        let file = std::fs::File::from(stdout.as_fd().try_clone_to_owned()?);
        Ok(Self::new(Box::new(file), stdout.is_terminal()))
    }

    fn new(sink: Box<dyn Write + Send>, by_lines: bool) -> Self {
        let pending = Vec::with_capacity(ENOUGH);
        let state =
            State { sink, by_lines, pending, failure: None, loss: None, is_watched: false, is_shown: false, writes: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Takes `bytes`, unless a failure is to be told.
    pub fn write(&self, bytes: &[u8]) -> Result<(), WriteFailed> {
        let mut state = self.lock();
        state.writes += 1;
        state.hide();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        state.write(bytes)?;
        if !state.pending.is_empty() && !state.is_watched {
            state.is_watched = self.watch();
            if !state.is_watched {
                state.flush()?;
            }
        }
        Ok(())
    }

    /// Passes on what was taken. A failure is told by the next write.
    pub fn flush(&self) {
        let mut state = self.lock();
        state.writes += 1;
        state.hide();
        state.flush_unasked();
    }

    /// Shows a line on the terminal that is standard error, until there is something else to be seen.
    pub fn show(&self, line: &str) {
        let mut state = self.lock();
        state.is_shown = true;
        // Whoever cannot see it misses nothing.
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
    }

    /// How often something was written, or was about to be.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Passes on the rest at the end of the program, and says what was lost from its beginning on.
    pub fn finish(&self) -> Result<(), Loss> {
        let mut state = self.lock();
        state.hide();
        state.flush_unasked();
        state.loss.take().map_or(Ok(()), Err)
    }

    /// A thread for as long as there is something to pass on; false if there cannot be one.
    fn watch(&self) -> bool {
        let output = self.clone();
        let watch = move || {
            loop {
                thread::sleep(PATIENCE);
                let mut state = output.lock();
                if state.pending.is_empty() {
                    state.is_watched = false;
                    return;
                }
                state.flush_unasked();
            }
        };
        thread::Builder::new().name("output".into()).spawn(watch).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics is done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteFailed> {
        if self.pending.len() + bytes.len() > ENOUGH {
            self.flush()?;
        }
        if bytes.len() >= ENOUGH {
            return self.send(bytes);
        }
        self.pending.extend_from_slice(bytes);
        if self.by_lines && bytes.contains(&b'\n') { self.flush() } else { Ok(()) }
    }

    /// Takes away the line that [`Output::show`] has shown.
    fn hide(&mut self) {
        if core::mem::take(&mut self.is_shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn flush(&mut self) -> Result<(), WriteFailed> {
        let mut pending = core::mem::take(&mut self.pending);
        let sent = self.send(&pending);
        pending.clear();
        self.pending = pending;
        sent
    }

    fn flush_unasked(&mut self) {
        if let Err(failure) = self.flush() {
            self.failure = Some(failure);
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), WriteFailed> {
        while !bytes.is_empty() {
            let error = match self.sink.write(bytes) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(count) => {
                    bytes = &bytes[count..];
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(RETRY);
                    continue;
                }
                Err(error) => error,
            };
            let failed = reason(&error);
            self.loss.get_or_insert(Loss { bytes: 0, error }).bytes += bytes.len() as u64;
            return Err(failed);
        }
        Ok(())
    }
}

/// What the program is told of `error`.
pub fn reason(error: &io::Error) -> WriteFailed {
    match error.kind() {
        ErrorKind::BrokenPipe => WriteFailed::Closed,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => WriteFailed::Full,
        _ => WriteFailed::Other,
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes for the standard output are lost: {}", self.bytes, self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::vec;

    /// Sends each write on, or fails as `error` says.
    struct Sink {
        writes: Sender<Vec<u8>>,
        error: Option<ErrorKind>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(error) = self.error {
                return Err(error.into());
            }
            self.writes.send(bytes.to_vec()).map_err(|_| ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output that nothing watches, so that each write has a reason that the test gave.
    fn output(by_lines: bool, error: Option<ErrorKind>) -> (Output, Receiver<Vec<u8>>) {
        let (writes, received) = channel();
        let output = Output::new(Box::new(Sink { writes, error }), by_lines);
        output.lock().is_watched = true;
        (output, received)
    }

    #[test]
    fn many_lines_are_few_writes() {
        let (output, writes) = output(false, None);
        for _ in 0..10_000 {
            assert_eq!(output.write(b"a line of twenty byt\n"), Ok(()));
        }
        output.flush();
        let writes: Vec<_> = writes.try_iter().collect();
        assert_eq!(writes.len(), 10_000 * 21 / ENOUGH + 1);
        assert_eq!(writes.concat(), b"a line of twenty byt\n".repeat(10_000));
    }

    #[test]
    fn a_large_write_follows_what_was_before_it_and_is_not_copied() {
        let (output, writes) = output(false, None);
        output.write(b"first").unwrap();
        output.write(&vec![7; 3 * ENOUGH]).unwrap();
        assert_eq!(writes.try_iter().collect::<Vec<_>>(), [b"first".to_vec(), vec![7; 3 * ENOUGH]]);
    }

    #[test]
    fn a_terminal_sees_every_line_when_it_ends() {
        let (output, writes) = output(true, None);
        for part in [&b"one"[..], b" line", b"\n", b"two\nthree\n", b"name? "] {
            output.write(part).unwrap();
        }
        assert_eq!(writes.try_iter().collect::<Vec<_>>(), [&b"one line\n"[..], b"two\nthree\n"]);
        output.flush();
        assert_eq!(writes.try_iter().collect::<Vec<_>>(), [b"name? "]);
    }

    #[test]
    fn what_nobody_asks_for_comes_all_the_same() {
        let (output, writes) = output(false, None);
        output.lock().is_watched = false;
        for part in [b"once", b"more"] {
            output.write(part).unwrap();
            assert_eq!(writes.recv_timeout(Duration::from_secs(60)).as_deref(), Ok(&part[..]));
        }
    }

    #[test]
    fn a_failure_is_told_at_the_next_write_and_what_is_lost_in_the_end() {
        let (output, _writes) = output(false, Some(ErrorKind::StorageFull));
        assert_eq!(output.write(b"lost"), Ok(()));
        output.flush();
        assert_eq!(output.write(b"refused"), Err(WriteFailed::Full));
        assert_eq!(output.write(b"also lost"), Ok(()));
        let loss = output.finish().unwrap_err();
        assert_eq!((loss.bytes, loss.error.kind()), (13, ErrorKind::StorageFull));
        assert!(output.finish().is_ok());
    }
}
