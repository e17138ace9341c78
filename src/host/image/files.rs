//! The files of an image: kernel, modules, and the menu with their command lines.
//!
//! Key types: [`Inputs`], [`File`]. Neighbours: `grub` adds what GRUB itself needs.

use super::identity::Identity;
use super::line::line_for;
use super::tool::run;
use super::{Contents, ImageError, Module};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::string::String;
use std::vec::Vec;
use std::{format, fs};

/// The menu, with the line `@ENTRY@` where those of the kernel and the modules belong.
const CONFIG: &str = include_str!("../../../grub/grub.cfg");

/// Largest file that FAT and 32 bits of address have room for.
const FILE_BYTES_MAX: usize = u32::MAX as usize;

/// Files from this size on take GRUB a second or more, so it says that it loads one.
const LARGE_BYTES: usize = 16_000_000;

/// A file of an image.
pub struct File {
    /// Where it is, from the root, with slashes between folders.
    pub path: String,
    pub content: Vec<u8>,
}

/// What an image is made of.
pub struct Inputs {
    pub identity: Identity,
    kernel: Vec<u8>,
    /// The kernel's command line.
    line: String,
    /// What GRUB's `gfxpayload` becomes.
    screen: String,
    /// Whether that says which store is to be used.
    names_store: bool,
    modules: Vec<(Vec<u8>, String)>,
}

impl Inputs {
    /// Reads all of it; `folder` is for temporary files.
    pub fn read(contents: &Contents, folder: &Path) -> Result<Self, ImageError> {
        let words = contents.words.split_ascii_whitespace().map(|word| word.into());
        let words: Vec<Vec<u8>> = words.chain(contents.settings.iter().cloned()).collect();
        let line = line_for(contents.kernel, &words)?;
        let kernel = stripped(read(contents.kernel)?, folder)?;
        let modules = contents.modules.iter().map(|Module { path, words }| Ok((read(path)?, line_for(path, words)?)));
        let modules: Vec<(Vec<u8>, String)> = modules.collect::<Result<_, ImageError>>()?;
        let parts = [CONFIG.as_bytes(), &kernel, line.as_bytes()].into_iter();
        let parts = parts.chain(modules.iter().flat_map(|(bytes, line)| [&bytes[..], line.as_bytes()]));
        let identity = Identity::of(parts);
        let screen = screen(&words)?;
        let names_store = words.iter().any(|word| word.starts_with(b"store="));
        Ok(Self { identity, kernel, line, screen, names_store, modules })
    }

    /// The files for an image whose own store has an identifier that begins with these digits, if it has one. That is the
    /// store to be used, unless the command line names another.
    pub fn files(self, store: Option<&str>) -> Vec<File> {
        let own_store =
            store.filter(|_| !self.names_store).map(|digits| format!(" store={digits}")).unwrap_or_default();
        let mut entry = format!("    multiboot2 /boot/kernel {}{own_store}\n", self.line);
        let mut files = Vec::from([File { path: "boot/kernel".into(), content: self.kernel }]);
        for (number, (content, line)) in self.modules.into_iter().enumerate() {
            // Writing to a string does not fail.
            if content.len() >= LARGE_BYTES {
                let _ = writeln!(entry, "    echo 'bareflow: GRUB loads {} MB'", content.len() / 1_000_000);
            }
            let _ = writeln!(entry, "    module2 /boot/module{number} {line}");
            files.push(File { path: format!("boot/module{number}"), content });
        }
        let config = CONFIG.replace("@SCREEN@\n", &format!("{}\n", self.screen)).replace("@ENTRY@\n", &entry);
        files.push(File { path: "boot/grub/grub.cfg".into(), content: config.into_bytes() });
        files
    }
}

/// What the last word `screen=` asks for: text, which is also what there is without it, or a mode of this size.
fn screen(words: &[Vec<u8>]) -> Result<String, ImageError> {
    let mut values = words.iter().filter_map(|word| word.strip_prefix(b"screen="));
    let Some(value) = values.next_back() else { return Ok("text".into()) };
    let value = String::from_utf8_lossy(value);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match value.split_once('x') {
        _ if value == "text" => Ok("text".into()),
        Some((width, height)) if is_number(width) && is_number(height) => Ok(format!("{value}x32,{value},auto")),
        _ => Err(ImageError::Screen { value: value.into_owned() }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    let bytes = fs::read(path).map_err(|error| ImageError::Read { path: path.into(), error })?;
    match bytes.len() {
        ..=FILE_BYTES_MAX => Ok(bytes),
        _ => Err(ImageError::LargeFile { path: path.into() }),
    }
}

/// GRUB loads every section of `kernel`. It wants its symbols, not the debugger's tables, which are as large again; where
/// there is no `objcopy`, or this is no kernel, they stay.
fn stripped(kernel: Vec<u8>, folder: &Path) -> Result<Vec<u8>, ImageError> {
    let (whole, small) = (folder.join("kernel"), folder.join("kernel.stripped"));
    fs::write(&whole, &kernel).map_err(|error| ImageError::Write { path: whole.clone(), error })?;
    match run(Command::new("objcopy").arg("--strip-debug").args([&whole, &small]), "objcopy", "binutils") {
        Ok(()) => read(&small),
        Err(_) => Ok(kernel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec;

    fn inputs(folder: &Path, words: &str) -> Inputs {
        let path = folder.join("file");
        fs::write(&path, b"x").unwrap();
        let modules = [Module { path: path.clone(), words: [b"a b".to_vec(), b"c".to_vec()].into() }];
        Inputs::read(&Contents { kernel: &path, words, settings: &[b"env.A=b c".to_vec()], modules: &modules }, folder)
            .unwrap()
    }

    fn config(inputs: Inputs, store: Option<&str>) -> String {
        let files = inputs.files(store);
        let config = files.iter().find(|file| file.path == "boot/grub/grub.cfg").unwrap();
        core::str::from_utf8(&config.content).unwrap().to_string()
    }

    #[test]
    fn the_menu_has_a_line_for_the_kernel_and_one_for_each_module() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(inputs(folder.path(), " quiet  x "), None);
        assert!(
            config.contains("    multiboot2 /boot/kernel quiet x env.A=b%20c\n    module2 /boot/module0 a%20b c\n"),
            "{config}"
        );
        assert!(!config.contains("\n@ENTRY@\n"), "{config}");
    }

    #[test]
    fn grub_says_that_it_loads_a_large_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut inputs = inputs(folder.path(), "x");
        inputs.modules.push((vec![0; 24_049_953], "large.wasm".into()));
        let config = config(inputs, None);
        let lines = "    module2 /boot/module0 a%20b c\n    echo 'bareflow: GRUB loads 24 MB'\n    module2 /boot/module1 large.wasm\n";
        assert!(config.contains(lines), "{config}");
    }

    #[test]
    fn an_image_names_its_own_store_unless_its_owner_names_one() {
        let folder = tempfile::tempdir().unwrap();
        let own = config(inputs(folder.path(), "x"), Some("0123"));
        assert!(own.contains("/boot/kernel x env.A=b%20c store=0123\n"), "{own}");
        let named = config(inputs(folder.path(), "store=none"), Some("0123"));
        assert!(named.contains("/boot/kernel store=none env.A=b%20c\n"), "{named}");
    }

    #[test]
    fn the_last_word_for_the_screen_counts_and_nonsense_is_refused() {
        let mode = |words: &str| screen(&words.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(mode("x").unwrap(), "text");
        assert_eq!(mode("screen=800x600 screen=text").unwrap(), "text");
        assert_eq!(mode("screen=text screen=800x600").unwrap(), "800x600x32,800x600,auto");
        for words in ["screen=", "screen=800", "screen=x600", "screen=800x600x32", "screen=800x600;reboot"] {
            assert!(mode(words).unwrap_err().to_string().contains("is neither screen=text nor"), "{words}");
        }
    }

    #[test]
    fn other_words_make_another_image() {
        let folder = tempfile::tempdir().unwrap();
        let identity = |words| inputs(folder.path(), words).identity.bytes::<16>("test");
        assert_ne!(identity("x"), identity("y"));
        assert_eq!(identity("x"), identity("x"));
    }
}
