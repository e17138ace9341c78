//! A disk that does what a test tells it: a server of network block devices, on a socket of its own.
//!
//! Key types: [`Server`], a disk that lies in a file; [`Request`] and [`Answer`], what the test decides about. The protocol is
//! the fixed newstyle one, without structured replies (NetworkBlockDevice/nbd, `doc/proto.md`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const SECTOR_BYTES: u64 = 512;
/// How long the test may take to learn that the kernel was started, which it does from the serial port: until then, or until a
/// request has waited for so long, the kernel does not ask.
const NOTICE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Read,
    Write,
    Flush,
}

/// One request of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    /// How many of its kind came before it.
    pub number: usize,
    pub first_sector: u64,
    pub sectors: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is done, so much later; everything behind it waits as well.
    After(Duration),
    /// It fails as an error of the medium.
    Error,
}

type Plan = Box<dyn Fn(&Request) -> Answer + Send>;

/// A running server. Its thread ends when QEMU does.
pub struct Server {
    socket: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The kernel was started: what comes now is the kernel's, and the plan holds.
    kernel_runs: AtomicBool,
    requests: Mutex<Vec<Request>>,
}

impl Server {
    /// Serves `image` once, on a socket in `folder`.
    pub fn start(folder: &Path, image: &Path, plan: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let socket = folder.join("nbd");
        let listener = UnixListener::bind(&socket).expect("a socket can be made");
        let file = File::options().read(true).write(true).open(image).expect("the image can be opened");
        let shared = Arc::new(Shared::default());
        let mut connection =
            Connection { file, plan: Box::new(plan), shared: Arc::clone(&shared), counts: BTreeMap::new() };
        thread::spawn(move || {
            // The connection ends with an error when QEMU does.
            let _ = listener.accept().and_then(|(stream, _)| connection.serve(stream));
        });
        Server { socket, shared }
    }

    /// The disk, as QEMU names it.
    pub fn image(&self) -> PathBuf {
        format!("nbd:unix:{}", self.socket.display()).into()
    }

    /// From now on, requests are the kernel's.
    pub fn kernel_runs(&self) {
        self.shared.kernel_runs.store(true, Ordering::SeqCst);
    }

    /// The kernel's requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("the server does not panic with the list").clone()
    }
}

struct Connection {
    file: File,
    plan: Plan,
    shared: Arc<Shared>,
    counts: BTreeMap<Kind, usize>,
}

impl Connection {
    fn serve(&mut self, mut stream: UnixStream) -> io::Result<()> {
        self.shake_hands(&mut stream)?;
        loop {
            let mut header = [0; 28];
            stream.read_exact(&mut header)?;
            let [offset, length] = [be(&header[16..24]), be(&header[24..28])];
            let kind = match be(&header[6..8]) {
                0 => Kind::Read,
                1 => Kind::Write,
                3 => Kind::Flush,
                _ => return Ok(()),
            };
            let mut bytes = vec![0; if kind == Kind::Flush { 0 } else { length as usize }];
            if kind == Kind::Write {
                stream.read_exact(&mut bytes)?;
            }
            let answer = self.answer(kind, offset / SECTOR_BYTES, length.div_ceil(SECTOR_BYTES));
            if let Answer::After(delay) = answer {
                thread::sleep(delay);
            }
            let is_done = answer != Answer::Error && self.do_it(kind, offset, &mut bytes).is_ok();
            let error = if is_done { 0_u32 } else { 5 };
            let mut reply = [0x6744_6698_u32.to_be_bytes(), error.to_be_bytes()].concat();
            reply.extend(&header[8..16]);
            if is_done && kind == Kind::Read {
                reply.extend(&bytes);
            }
            stream.write_all(&reply)?;
        }
    }

    fn shake_hands(&self, stream: &mut UnixStream) -> io::Result<()> {
        stream.write_all(b"NBDMAGICIHAVEOPT\0\x01")?;
        stream.read_exact(&mut [0; 4])?;
        loop {
            let mut option = [0; 16];
            stream.read_exact(&mut option)?;
            let mut rest = vec![0; be(&option[12..16]) as usize];
            stream.read_exact(&mut rest)?;
            let mut reply = |kind: u32, bytes: &[u8]| {
                let head = [&0x0003_e889_0455_65a9_u64.to_be_bytes()[..], &option[8..12], &kind.to_be_bytes()].concat();
                stream.write_all(&[&head, &(bytes.len() as u32).to_be_bytes()[..], bytes].concat())
            };
            // NBD_OPT_GO; any other option is one that this server does not have.
            if be(&option[8..12]) == 7 {
                // NBD_INFO_EXPORT: the size, and that the server has flags and flushes.
                let size = self.file.metadata()?.len();
                reply(3, &[&[0, 0][..], &size.to_be_bytes(), &[0, 5]].concat())?;
                return reply(1, &[]);
            }
            reply(0x8000_0001, &[])?;
        }
    }

    fn answer(&mut self, kind: Kind, first_sector: u64, sectors: u64) -> Answer {
        let waits = Instant::now();
        while !self.shared.kernel_runs.load(Ordering::SeqCst) {
            if waits.elapsed() > NOTICE {
                return Answer::Done;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let count = self.counts.entry(kind).or_default();
        let request = Request { kind, number: *count, first_sector, sectors };
        *count += 1;
        self.shared.requests.lock().expect("the test does not panic with the list").push(request);
        (self.plan)(&request)
    }

    fn do_it(&self, kind: Kind, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        match kind {
            Kind::Read => self.file.read_exact_at(bytes, offset),
            Kind::Write => self.file.write_all_at(bytes, offset),
            Kind::Flush => Ok(()),
        }
    }
}

/// A number as the protocol writes it.
fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
