//! From the root pointer through the ACPI tables to what switches the machine off, with the `acpi` crate.
//!
//! Source: ACPI Specification 6.5, sections 5.2.5 (RSDP), 5.2.9 (FADT) and 5.2.11 (DSDT, SSDT).

use acpi::address::{AddressSpace, GenericAddress};
use acpi::fadt::Fadt;
use acpi::sdt::SdtHeader;
use acpi::{AcpiError, AcpiHandler, AcpiTables, AmlTable, PhysicalMapping};
use core::ptr::NonNull;

use super::s5::{self, SleepTypes};
use super::{PowerError, PowerTimer, Register, Reset, SoftOff};

/// Real bytecode is some hundred kilobytes at most; a longer one is a damaged length.
const MAX_BYTECODE_BYTES: usize = 16 << 20;

const SIGNATURE: [u8; 8] = *b"RSD PTR ";
const FIRST_VERSION_BYTES: usize = 20;
const SECOND_VERSION_BYTES: usize = 36;

/// Access to physical memory.
pub trait PhysicalMemory {
    /// Where `physical` is mapped, readable for `len_bytes`, until the machine is off; `None` if it is not.
    fn pointer(&self, physical: u64, len_bytes: usize) -> Option<NonNull<u8>>;
}

/// Where the list of all tables lies, and which kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootTable {
    /// Revision of the root pointer: 0 for 32-bit entries (RSDT), else 64-bit entries (XSDT).
    pub revision: u8,
    /// Physical address.
    pub address: u64,
}

impl RootTable {
    /// Takes the address from a root pointer (RSDP), such as the copy in the boot information.
    pub fn from_root_pointer(bytes: &[u8]) -> Result<Self, PowerError> {
        let bad = PowerError::BadRootPointer { len_bytes: bytes.len() };
        let sums_to_zero = |bytes: &[u8]| bytes.iter().fold(0, |sum: u8, &byte| sum.wrapping_add(byte)) == 0;
        let valid = |len: usize| bytes.get(..len).filter(|bytes| bytes.starts_with(&SIGNATURE) && sums_to_zero(bytes));
        let Some(first) = valid(FIRST_VERSION_BYTES) else { return Err(bad) };
        let revision = first[15];
        if revision == 0 {
            let address = u64::from(u32::from_le_bytes([first[16], first[17], first[18], first[19]]));
            return Ok(Self { revision, address });
        }
        let Some([.., a, b, c, d, e, f, g, h, _, _, _, _]) = valid(SECOND_VERSION_BYTES) else { return Err(bad) };
        Ok(Self { revision, address: u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) })
    }
}

/// All tables.
///
/// # Safety
/// See [`SoftOff::find`].
pub(in crate::drivers) unsafe fn open<M: PhysicalMemory>(
    root: RootTable,
    memory: &M,
) -> Result<AcpiTables<Mapper<'_, M>>, AcpiError> {
    // SAFETY: the caller vouches for the root table and for the access to its tables.
    unsafe { AcpiTables::from_rsdt(Mapper(memory), root.revision, root.address as usize) }
}

/// # Safety
/// See [`SoftOff::find`].
pub(super) unsafe fn find_power_timer(root: RootTable, memory: &impl PhysicalMemory) -> Option<PowerTimer> {
    // SAFETY: the caller vouches for the root table and for the access to its tables.
    let tables = unsafe { open(root, memory) }.ok()?;
    let timer = tables.find_table::<Fadt>().ok()?.pm_timer_block().ok()??;
    Some(PowerTimer { port: io_port(timer).ok()? })
}

/// # Safety
/// See [`SoftOff::find`].
pub(super) unsafe fn find_soft_off(root: RootTable, memory: &impl PhysicalMemory) -> Result<SoftOff, PowerError> {
    // SAFETY: the caller vouches for the root table and for the access to its tables.
    let tables = unsafe { open(root, memory) };
    let tables = tables.map_err(|error| bad_table("RSDT/XSDT", error))?;
    let fadt = tables.find_table::<Fadt>().map_err(|error| bad_table("FADT", error))?;
    let sleep_types = find_sleep_types(&tables, memory)?;
    // Copied: the structure is packed.
    let flags = fadt.flags;
    if flags.system_is_hw_reduced_acpi() {
        let register = fadt.sleep_control_register().map_err(|error| bad_table("FADT", error))?;
        let register = register.ok_or(PowerError::NoControlPort { address: 0 })?;
        let reached = self::register(register).ok_or(PowerError::NoControlPort { address: register.address })?;
        return Ok(SoftOff::Reduced { register: reached, sleep_type: sleep_types.a });
    }
    let pm1a = fadt.pm1a_control_block().map_err(|error| bad_table("FADT", error))?;
    let pm1b = fadt.pm1b_control_block().map_err(|error| bad_table("FADT", error))?;
    Ok(SoftOff::Control {
        pm1a_control: io_port(pm1a)?,
        pm1b_control: pm1b.map(io_port).transpose()?,
        sleep_types,
        acpi_enable: acpi_enable(&fadt),
    })
}

/// # Safety
/// See [`SoftOff::find`].
pub(super) unsafe fn find_reset(root: RootTable, memory: &impl PhysicalMemory) -> Option<Reset> {
    // SAFETY: the caller vouches for the root table and for the access to its tables.
    let tables = unsafe { open(root, memory) }.ok()?;
    let fadt = tables.find_table::<Fadt>().ok()?;
    let flags = fadt.flags;
    let register = flags.supports_system_reset_via_fadt().then(|| fadt.reset_register().ok())?;
    Some(Reset { register: register.and_then(self::register)?, value: fadt.reset_value })
}

/// Where a register of a byte is, if it is where registers can be reached.
fn register(register: GenericAddress) -> Option<Register> {
    match register.address_space {
        AddressSpace::SystemIo => u16::try_from(register.address).ok().filter(|port| *port != 0).map(Register::Port),
        AddressSpace::SystemMemory => (register.address != 0).then_some(Register::Memory(register.address)),
        _ => None,
    }
}

/// Searches the DSDT, then the SSDTs.
fn find_sleep_types<H: AcpiHandler>(
    tables: &AcpiTables<H>,
    memory: &impl PhysicalMemory,
) -> Result<SleepTypes, PowerError> {
    let dsdt = tables.dsdt().map_err(|error| bad_table("DSDT", error))?;
    let mut bytecode_bytes = 0;
    for table in core::iter::once(dsdt).chain(tables.ssdts()) {
        let Some(bytecode) = bytecode(&table, memory) else { continue };
        bytecode_bytes += bytecode.len();
        if let Some(sleep_types) = s5::find(bytecode) {
            return Ok(sleep_types);
        }
    }
    Err(PowerError::NoS5 { bytecode_bytes })
}

fn bytecode<'m>(table: &AmlTable, memory: &'m impl PhysicalMemory) -> Option<&'m [u8]> {
    let len_bytes = usize::try_from(table.length).ok().filter(|&len| len <= MAX_BYTECODE_BYTES)?;
    let start = memory.pointer(table.address as u64, len_bytes)?;
    // SAFETY: `pointer` maps that many bytes, firmware tables are not written to, and any bytes are valid `u8`s.
    Some(unsafe { core::slice::from_raw_parts(start.as_ptr(), len_bytes) })
}

fn io_port(register: GenericAddress) -> Result<u16, PowerError> {
    let port = u16::try_from(register.address).ok().filter(|&port| port != 0);
    let is_io = register.address_space == AddressSpace::SystemIo;
    port.filter(|_| is_io).ok_or(PowerError::NoControlPort { address: register.address })
}

fn acpi_enable(fadt: &Fadt) -> Option<(u16, u8)> {
    let port = u16::try_from(fadt.smi_cmd_port).ok()?;
    (port != 0 && fadt.acpi_enable != 0).then_some((port, fadt.acpi_enable))
}

fn bad_table(table: &'static str, error: AcpiError) -> PowerError {
    let reason = match error {
        AcpiError::SdtInvalidChecksum(_) => "its checksum is wrong",
        AcpiError::SdtInvalidSignature(_) => "its signature is wrong",
        AcpiError::TableMissing(_) => "it is missing",
        AcpiError::InvalidDsdtAddress => "its address is zero",
        AcpiError::InvalidGenericAddress => "a register address is malformed",
        _ => "its header is malformed",
    };
    PowerError::BadTable { table, reason }
}

/// Shown to the `acpi` crate in place of what cannot be reached: a table without signature, which it passes over. As
/// large as the largest structure that the crate maps.
static NO_TABLE: [u8; 512] = [0; 512];

/// Whether the table at `start` is as long as its own header, as it says: the `acpi` crate takes that for granted.
///
/// # Safety
/// A header is readable at `start`.
unsafe fn says_more_than_a_header(start: NonNull<u8>) -> bool {
    // SAFETY: the caller's; the header is packed, so that any address is aligned.
    let header = unsafe { start.cast::<SdtHeader>().read() };
    header.length as usize >= size_of::<SdtHeader>()
}

/// Our memory access as the `acpi` crate wants it. Everything stays mapped, so there is nothing to undo.
pub(in crate::drivers) struct Mapper<'m, M>(&'m M);

impl<M> Clone for Mapper<'_, M> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<M: PhysicalMemory> AcpiHandler for Mapper<'_, M> {
    unsafe fn map_physical_region<T>(&self, physical_address: usize, size: usize) -> PhysicalMapping<Self, T> {
        // A table that is shorter than its newest form is read as that form: the rest must be mapped too.
        let len_bytes = size.max(size_of::<T>());
        let start = self.0.pointer(physical_address as u64, len_bytes).filter(|start| {
            // SAFETY: at least as many bytes are readable as a header has where one is asked for.
            size != size_of::<SdtHeader>() || unsafe { says_more_than_a_header(*start) }
        });
        let (start, size) = match start {
            Some(start) => (start.cast(), size),
            None => (NonNull::from(&NO_TABLE).cast(), size.min(NO_TABLE.len())),
        };
        // SAFETY: that many bytes are readable at `start`, and the structures of the crate are packed: any address is
        // aligned. The crate only reads.
        unsafe { PhysicalMapping::new(physical_address, start, size, size, self.clone()) }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}
}
