//! What a booted program leaves: it comes over serial ports of the machine, which QEMU writes to files.

use anyhow::{Context, Result, bail};
use bareflow::host::folder::PrivateFolder;
use bareflow::host::qemu::{Machine, escape_commas};
use bareflow::host::unpack::unpack;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What is on its way, and where it goes.
pub struct Sent<'a> {
    /// What the program leaves in /out: over the second port.
    out: Option<&'a Path>,
    /// What it was when it trapped: over the third.
    core_dump: Option<&'a Path>,
    folder: PrivateFolder,
}

impl<'a> Sent<'a> {
    /// Gives `machine` the ports for what is wanted.
    pub fn new(out: Option<&'a Path>, core_dump: Option<&'a Path>, machine: &mut Machine) -> Result<Self> {
        if let Some(out) = out {
            fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
        }
        let sent = Self { out, core_dump, folder: PrivateFolder::new().context("cannot make a temporary folder")? };
        let ports = [("out", sent.archive(), out), ("core", sent.core(), core_dump)];
        let last = ports.iter().rposition(|(.., wanted)| wanted.is_some()).map_or(0, |last| last + 1);
        for (id, path, wanted) in &ports[..last] {
            let arguments = match wanted {
                Some(_) => {
                    let chardev = format!("file,id={id},path={}", escape_commas(path));
                    vec!["-chardev".into(), chardev, "-serial".into(), format!("chardev:{id}")]
                }
                None => vec!["-serial".into(), "null".into()],
            };
            machine.extra.extend(arguments);
        }
        Ok(sent)
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("out.tar")
    }

    fn core(&self) -> PathBuf {
        self.folder.path().join("core")
    }

    /// Puts what has come where it goes. Without a trap there is no core dump.
    pub fn keep(self) -> Result<()> {
        if let Some(core_dump) = self.core_dump
            && fs::metadata(self.core()).is_ok_and(|metadata| metadata.len() > 0)
        {
            let failed = || format!("cannot write the core dump {}", core_dump.display());
            fs::copy(self.core(), core_dump).with_context(failed)?;
        }
        let Some(out) = self.out else { return Ok(()) };
        let archive = File::open(self.archive()).context("cannot read what the machine has sent")?;
        if archive.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            bail!("nothing of /out came from the machine");
        }
        unpack(archive, out).with_context(|| format!("cannot put what was in /out into {}", out.display()))
    }
}
