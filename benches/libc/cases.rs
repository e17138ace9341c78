//! What is measured: every case, in the order of the table.

use crate::distributions::{self, Distribution};
use crate::heap;
use crate::loops::{self, EMPTY, Function, MEMCHR, MEMCMP, MEMCPY, MEMMOVE, MEMSET, STRCHR, STRCMP, STRLEN, STRSTR};
use crate::table::Row;
use bareflow::libc::LibcFunction;
use std::path::{Path, PathBuf};

/// One line of the table.
pub struct Case {
    /// What its geometric mean is taken over: a function and a kind of inputs.
    pub family: String,
    pub name: String,
    pub function: Function,
    pub inputs: Inputs,
}

impl Case {
    pub fn title(&self) -> String {
        format!("{} {}", self.family, self.name)
    }

    /// Whether it measures nothing but loop and call, which every case has.
    pub fn is_overhead(&self) -> bool {
        self.export() == EMPTY.name
    }

    /// Whether its title has all of `words`, commas aside.
    pub fn matches(&self, words: &[String]) -> bool {
        let title = self.title().replace(',', "");
        words.iter().flat_map(|words| words.split(' ')).all(|word| title.split(' ').any(|own| own == word))
    }

    /// The loop that measures it.
    pub fn export(&self) -> String {
        match self.inputs {
            Inputs::Pairs { .. } => "pairs".into(),
            Inputs::Trace(_) => "trace".into(),
            Inputs::Numbers { function, waits } => loops::export_of_numbers(function, waits),
            _ => self.function.name.into(),
        }
    }
}

/// What a function is called with.
pub enum Inputs {
    /// Blocks of one size, at multiples of 64 or anywhere else.
    Size { bytes: u32, aligned: bool },
    /// Blocks of random sizes anywhere.
    Sizes(Distribution),
    /// Strings of one length without the terminator.
    Length { bytes: u32, aligned: bool },
    /// Strings of random lengths.
    Lengths(Distribution),
    /// `free(malloc(bytes))`.
    Pairs { bytes: u32 },
    /// Steps of the heap with numbers of slots.
    Trace(Vec<Row>),
    /// Numbers such as programs pass to a function of the mathematics, which `waits` for the result of the call before or
    /// not.
    Numbers { function: &'static LibcFunction, waits: bool },
}

impl Inputs {
    /// Whether the heap is what is measured.
    pub fn is_heap(&self) -> bool {
        matches!(self, Inputs::Pairs { .. } | Inputs::Trace(_))
    }
}

const SIZES: [u32; 22] =
    [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 304, 512, 1024, 2048, 4096, 16_384, 65_536, 262_144, 1_048_576];
const QUICK_SIZES: [u32; 7] = [8, 24, 64, 304, 512, 4096, 65_536];
/// Strings up to this length.
const LONGEST_STRING: u32 = 4096;

/// Every case, or some of each kind. `folder` holds the recorded trace, if there is one.
pub fn all(quick: bool, folder: &Path) -> Vec<Case> {
    let sizes: &[u32] = if quick { &QUICK_SIZES } else { &SIZES };
    let mut cases = vec![Case {
        family: "loop and call".into(),
        name: "empty".into(),
        function: EMPTY,
        inputs: Inputs::Size { bytes: 1, aligned: true },
    }];
    for function in [MEMCPY, MEMMOVE, MEMSET, MEMCMP, MEMCHR] {
        let one_size = |bytes, aligned| Inputs::Size { bytes, aligned };
        cases.extend(of_one_size(function, sizes.iter().copied(), one_size));
        let recorded = if function == MEMCHR { MEMCMP } else { function };
        cases.extend(of_many_sizes(function, recorded, quick, Inputs::Sizes));
    }
    for function in [STRLEN, STRCMP, STRCHR, STRSTR] {
        let sizes = sizes.iter().copied().filter(|bytes| *bytes <= LONGEST_STRING);
        let one_length = |bytes, aligned| Inputs::Length { bytes, aligned };
        cases.extend(of_one_size(function, sizes, one_length));
        cases.extend(of_many_sizes(function, MEMCMP, quick, Inputs::Lengths));
    }
    cases.extend(heap(folder));
    cases.extend(mathematics(quick));
    cases
}

fn of_one_size(
    function: Function,
    sizes: impl Iterator<Item = u32> + Clone,
    inputs: impl Fn(u32, bool) -> Inputs,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for (aligned, kind) in [(true, "aligned"), (false, "unaligned")] {
        cases.extend(sizes.clone().map(|bytes| Case {
            family: format!("{}, {kind}", function.name),
            name: bytes.to_string(),
            function,
            inputs: inputs(bytes, aligned),
        }));
    }
    cases
}

/// With the sizes recorded of calls to `recorded`.
fn of_many_sizes(function: Function, recorded: Function, quick: bool, inputs: fn(Distribution) -> Inputs) -> Vec<Case> {
    let distributions = distributions::of_function(recorded.name).into_iter();
    let most = if quick { 3 } else { usize::MAX };
    let case = |distribution: Distribution| Case {
        family: format!("{}, distributions", function.name),
        name: distribution.name.into(),
        function,
        inputs: inputs(distribution),
    };
    // Strings are as long as what programs compare; none is as long as the uniform sizes.
    distributions.filter(|sizes| !function.name.starts_with("str") || sizes.is_recorded).take(most).map(case).collect()
}

/// Where `prepare.sh` leaves what it recorded.
pub fn trace(folder: &Path) -> PathBuf {
    folder.join("concordance.trace")
}

fn heap(folder: &Path) -> Vec<Case> {
    let case = |family: &str, name: String, inputs| Case { family: family.into(), name, function: EMPTY, inputs };
    let mut cases: Vec<Case> =
        [24, 64, 304].map(|bytes| case("malloc and free, pairs", bytes.to_string(), Inputs::Pairs { bytes })).into();
    cases.push(case("malloc and free, traces", "1000 live, random".into(), Inputs::Trace(heap::random())));
    if let Some(rows) = heap::recorded(&trace(folder)) {
        cases.push(case("malloc and free, traces", "concordance".into(), Inputs::Trace(rows)));
    }
    cases
}

const QUICK_MATHEMATICS: [&str; 6] = ["sin", "exp", "pow", "hypot", "floor", "sinf"];

fn mathematics(quick: bool) -> impl Iterator<Item = Case> {
    let functions =
        move || loops::mathematics().filter(move |function| !quick || QUICK_MATHEMATICS.contains(&function.name));
    let kinds = [("mathematics, independent", false), ("mathematics, each waits", true)];
    kinds.into_iter().flat_map(move |(family, waits)| {
        functions().map(move |function| Case {
            family: family.into(),
            name: function.name.into(),
            function: EMPTY,
            inputs: Inputs::Numbers { function, waits },
        })
    })
}
