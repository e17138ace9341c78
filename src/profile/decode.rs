//! Reading a profile from bytes that anybody may have written.
//!
//! Key types: [`Limits`], [`Decoded`]. Neighbour: `encode` has the format and writes it. Every list is reserved once, when
//! it is known that the bytes at hand can fill it and that its memory may be taken. So whatever the bytes say, decoding takes
//! at most [`Limits::bytes`], and fails with an error where that is not enough.

use super::encode::checked_body;
use super::{BootRow, Dropped, FunctionRecord, Profile, ProfileError, SiteRecord, ValueCount, ValueHistogram, earlier};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

/// What a profile may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Memory for all of its records.
    pub bytes: u64,
    /// Blocks and sites of one function. A record with more is of no body that can be, and is left out.
    pub counters: usize,
}

impl Limits {
    /// Most that a payload of the largest slot needs, be it all sites that never saw a call.
    const MOST_BYTES: u64 = 512 << 20;
    /// The longest body that WebAssembly engines take is of 7,654,321 bytes. What is counted takes at least two.
    const MOST_COUNTERS: usize = 7_654_321 / 2;
    /// The share of free memory that records may take. The bytes may take as much; the rest is for the program.
    const SHARE: u64 = 4;

    /// For a machine with so much free memory that runs code of at most `code_bytes` per body.
    pub fn of(free_bytes: u64, code_bytes: usize) -> Self {
        let most = Self::default();
        Self { bytes: (free_bytes / Self::SHARE).min(most.bytes), counters: (code_bytes / 2).min(most.counters) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: Self::MOST_BYTES, counters: Self::MOST_COUNTERS }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub profile: Profile,
    /// Records that have more counters than [`Limits::counters`] and are not in the profile.
    pub left_out: usize,
}

impl Profile {
    /// Reads what [`Profile::encode`] wrote, in the memory of any host.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProfileError> {
        Ok(Self::decode_within(bytes, &Limits::default())?.profile)
    }

    /// Reads what [`Profile::encode`] wrote. Whatever the bytes, the result is a well-formed profile or an error.
    pub fn decode_within(bytes: &[u8], limits: &Limits) -> Result<Decoded, ProfileError> {
        let (schema, rest) = checked_body(bytes)?;
        let mut reader = Reader { schema, rest, limits, taken_bytes: 0 };
        let decoded = reader.profile().map_err(|error| match error {
            Refusal::TooLarge => ProfileError::TooLarge { bytes: bytes.len() as u64, limit_bytes: limits.bytes },
            Refusal::Malformed(reason) => ProfileError::Malformed { reason },
            Refusal::OutOfMemory { needed_bytes } => ProfileError::OutOfMemory { needed_bytes },
        })?;
        decoded.profile.check()?;
        Ok(decoded)
    }

    /// Whether functions can be searched for.
    fn check(&self) -> Result<(), ProfileError> {
        if !self.functions.is_sorted_by(|a, b| a.key < b.key) {
            return Err(ProfileError::Malformed { reason: String::from("functions are not sorted by key") });
        }
        Ok(())
    }
}

/// Why the body is not read to its end.
enum Refusal {
    TooLarge,
    Malformed(String),
    OutOfMemory { needed_bytes: u64 },
}

/// Takes the body apart, value by value: a struct is its fields one after the other, a list its length and its items. Only
/// sites and rows differ between schemas.
struct Reader<'b> {
    schema: u32,
    rest: &'b [u8],
    limits: &'b Limits,
    taken_bytes: u64,
}

impl<'b> Reader<'b> {
    fn profile(&mut self) -> Result<Decoded, Refusal> {
        let (program, cpu, boots_observed) = self.next()?;
        let mut left_out = 0;
        let mut functions = self.list_of::<FunctionRecord>()?;
        for _ in 0..functions.count {
            match self.function()? {
                Some(record) => functions.items.push(record),
                None => left_out += 1,
            }
        }
        let mut boots = self.list_of::<BootRow>()?;
        for _ in 0..boots.count {
            boots.items.push(self.row()?);
        }
        if !self.rest.is_empty() {
            return Err(Refusal::Malformed(format!("{} bytes too many", self.rest.len())));
        }
        let profile = Profile { program, cpu, boots_observed, functions: functions.items, boots: boots.items };
        Ok(Decoded { profile, left_out })
    }

    /// The next record; none if it is to be left out.
    fn function(&mut self) -> Result<Option<FunctionRecord>, Refusal> {
        let (key, calls, ticks, generic_calls, generic_ticks, code_bytes) = self.next()?;
        let blocks = self.counters(Self::next::<u64>)?;
        let sites = self.counters(Self::site)?;
        let record = |(blocks, sites)| FunctionRecord {
            key,
            calls,
            ticks,
            generic_calls,
            generic_ticks,
            code_bytes,
            blocks,
            sites,
        };
        Ok(blocks.zip(sites).map(record))
    }

    /// The counters of one function; none if there are too many.
    fn counters<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Refusal>,
    ) -> Result<Option<Vec<T>>, Refusal> {
        let before = (self.rest, self.taken_bytes);
        if self.count()? > self.limits.counters {
            // Read all the same, for what comes after.
            self.rest = before.0;
            for _ in 0..self.count()? {
                item(self)?;
                self.taken_bytes = before.1;
            }
            return Ok(None);
        }
        self.rest = before.0;
        let mut list = self.list_of::<T>()?;
        for _ in 0..list.count {
            list.items.push(item(self)?);
        }
        Ok(Some(list.items))
    }

    fn site(&mut self) -> Result<SiteRecord, Refusal> {
        let malformed = |reason| Err(Refusal::Malformed(String::from(reason)));
        let (kind, callee) = self.next()?;
        let mut values = self.values()?;
        if !values.is_well_formed() {
            return malformed("a histogram's slots are not in order");
        }
        let (address_bits, mut guards_passed, mut guards_failed) = self.next()?;
        let chosen = self.few()?;
        let (passes, dropped) = if self.schema < earlier::SITES_WITH_PATHS {
            // Counted in all boots and, aged, added up.
            (guards_passed, guards_failed) = (0, 0);
            (Vec::new(), Vec::new())
        } else {
            (self.few()?, self.few::<Dropped>()?)
        };
        if !dropped.is_sorted_by(|a, b| a.value < b.value) {
            return malformed("what a site dropped is not in order");
        }
        Ok(SiteRecord { kind, callee, values, address_bits, guards_passed, guards_failed, chosen, passes, dropped })
    }

    fn values(&mut self) -> Result<ValueHistogram, Refusal> {
        let slots: Vec<ValueCount> = self.items()?;
        let total = self.next()?;
        let floor = match self.schema {
            ..earlier::VALUES_WITH_FLOOR => slots.get(ValueHistogram::SLOTS - 1).map_or(0, |slot| slot.count),
            _ => self.next()?,
        };
        Ok(ValueHistogram { slots, total, floor })
    }

    fn row(&mut self) -> Result<BootRow, Refusal> {
        let (_, _, name): (u64, u64, &str) = parse(self.rest)?.0;
        self.take_block(name.len())?;
        match self.schema {
            ..earlier::ROWS_WITH_CONSOLE => self.next::<earlier::FirstRow>().map(BootRow::from),
            earlier::ROWS_WITH_CONSOLE..earlier::ROWS_WITH_CODE => self.next::<earlier::Row>().map(BootRow::from),
            _ => self.next(),
        }
    }

    fn next<T: Deserialize<'b>>(&mut self) -> Result<T, Refusal> {
        let (value, rest) = parse(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// The length of a list; each item takes at least one byte.
    fn count(&mut self) -> Result<usize, Refusal> {
        let count: u64 = self.next()?;
        let fits = usize::try_from(count).ok().filter(|count| *count <= self.rest.len());
        fits.ok_or_else(|| Refusal::Malformed(format!("a list of {count} items in {} bytes", self.rest.len())))
    }

    /// Room for the items of the list that comes.
    fn list_of<T>(&mut self) -> Result<List<T>, Refusal> {
        let count = self.count()?;
        let bytes = count.saturating_mul(size_of::<T>());
        self.take_block(bytes)?;
        let mut items = Vec::new();
        items.try_reserve_exact(count).map_err(|_| Refusal::OutOfMemory { needed_bytes: bytes as u64 })?;
        Ok(List { count, items })
    }

    fn items<T: Deserialize<'b>>(&mut self) -> Result<Vec<T>, Refusal> {
        let mut list = self.list_of()?;
        for _ in 0..list.count {
            list.items.push(self.next()?);
        }
        Ok(list.items)
    }

    /// What a site remembers of its paths.
    fn few<T: Deserialize<'b>>(&mut self) -> Result<Vec<T>, Refusal> {
        let items = self.items()?;
        if items.len() > ValueHistogram::SLOTS {
            return Err(Refusal::Malformed(format!("a site remembers {} paths", items.len())));
        }
        Ok(items)
    }

    fn take_block(&mut self, bytes: usize) -> Result<(), Refusal> {
        /// What the heap may keep beside each block.
        const BESIDE: u64 = 32;
        let block = if bytes == 0 { 0 } else { bytes as u64 + BESIDE };
        self.taken_bytes = self.taken_bytes.saturating_add(block);
        if self.taken_bytes > self.limits.bytes { Err(Refusal::TooLarge) } else { Ok(()) }
    }
}

struct List<T> {
    count: usize,
    items: Vec<T>,
}

/// The value at the beginning of `bytes`, and what follows it.
fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<(T, &'b [u8]), Refusal> {
    postcard::take_from_bytes(bytes).map_err(|error| Refusal::Malformed(format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::profile;
    use super::super::{FunctionKey, SiteKind};
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use proptest::prelude::*;

    /// Functions that were called and have so many sites each, none of which saw a call.
    fn with_sites(functions: u64, sites: usize) -> Profile {
        let site = SiteRecord::unseen(SiteKind::Size);
        let record = |hash| FunctionRecord {
            key: FunctionKey { hash, ordinal: 0 },
            sites: vec![site.clone(); sites],
            ..FunctionRecord::default()
        };
        Profile { functions: (0..functions).map(record).collect(), ..Profile::default() }
    }

    fn read(profile: &Profile, limits: Limits) -> Result<Decoded, ProfileError> {
        Profile::decode_within(&profile.encode().expect("there is memory"), &limits)
    }

    #[test]
    fn records_that_take_more_memory_than_they_may_are_refused_with_the_limit() {
        let profile = with_sites(3, 10_000);
        let needed = 3 * 10_000 * size_of::<SiteRecord>() as u64;
        let enough = Limits { bytes: needed + 1000, ..Limits::default() };
        assert_eq!(read(&profile, enough), Ok(Decoded { profile: profile.clone(), left_out: 0 }));
        let error = read(&profile, Limits { bytes: needed, ..enough }).expect_err("the lists of records, too");
        assert!(error.is_of_memory(), "{error}");
        assert!(error.to_string().starts_with("profile of 330"), "{error}");
    }

    #[test]
    fn functions_with_more_counters_than_a_body_can_have_are_left_out() {
        let mut profile = with_sites(3, 1);
        profile.functions[1] =
            FunctionRecord { key: profile.functions[1].key, ..with_sites(1, 1001).functions.remove(0) };
        profile.functions[2].blocks = vec![7; 1000];
        let limits = Limits::of(u64::MAX, 2000);
        let expected = Profile {
            functions: vec![profile.functions[0].clone(), profile.functions[2].clone()],
            ..Profile::default()
        };
        assert_eq!(read(&profile, limits), Ok(Decoded { profile: expected, left_out: 1 }));
    }

    #[test]
    fn sites_that_remember_more_than_there_are_slots_are_refused() {
        let mut profile = with_sites(1, 1);
        profile.functions[0].sites[0].chosen = vec![1; ValueHistogram::SLOTS];
        assert!(read(&profile, Limits::default()).is_ok());
        profile.functions[0].sites[0].chosen = vec![1; ValueHistogram::SLOTS + 1];
        assert!(matches!(read(&profile, Limits::default()), Err(ProfileError::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn any_limit_gives_all_or_an_error(profile in profile(), bytes in 0..20_000u64) {
            match read(&profile, Limits { bytes, ..Limits::default() }) {
                Ok(decoded) => prop_assert_eq!(decoded, Decoded { profile, left_out: 0 }),
                Err(error) => prop_assert!(error.is_of_memory()),
            }
        }
    }
}
