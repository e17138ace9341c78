use super::*;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Configuration space as a map: 64 registers of 32 bits per function, with the writable bits of each BAR.
#[derive(Default)]
struct Fake(RefCell<BTreeMap<PciAddress, [u32; 64]>>, BTreeMap<(PciAddress, u16), u32>);

impl Fake {
    fn add(&mut self, address: PciAddress, id: u32, class: u32, header_type: u32) {
        let mut registers = [0; 64];
        registers[0] = id;
        registers[1] = 0x7;
        registers[2] = class << 8;
        registers[3] = header_type << 16;
        self.0.get_mut().insert(address, registers);
    }

    fn set(&mut self, address: PciAddress, offset: u16, value: u32, writable: u32) {
        let registers = self.0.get_mut().get_mut(&address).expect("added before");
        registers[usize::from(offset / 4)] = value;
        self.1.insert((address, offset), writable);
    }
}

impl ConfigRegionAccess for Fake {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        self.0.borrow().get(&address).map_or(u32::MAX, |registers| registers[usize::from(offset / 4)])
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        if let Some(registers) = self.0.borrow_mut().get_mut(&address) {
            assert!(offset == 4 || registers[1] & 0b11 == 0, "resized while it decodes addresses");
            let writable = if offset == 4 { 0xffff } else { self.1.get(&(address, offset)).copied().unwrap_or(0) };
            let register = &mut registers[usize::from(offset / 4)];
            *register = *register & !writable | value & writable;
        }
    }
}

fn at(bus: u8, device: u8, function: u8) -> PciAddress {
    PciAddress::new(0, bus, device, function)
}

#[test]
fn empty_machine_has_no_devices() {
    assert_eq!(devices(&Fake::default(), 0), []);
}

#[test]
fn functions_of_single_function_devices_are_not_asked() {
    let mut fake = Fake::default();
    fake.add(at(0, 1, 0), 0x7000_8086, 0x06_01_00, 0x80);
    fake.add(at(0, 1, 3), 0x7113_8086, 0x06_80_00, 0x00);
    fake.add(at(0, 2, 0), 0x1111_1234, 0x03_00_00, 0x00);
    fake.add(at(0, 2, 1), 0xdead_dead, 0x03_00_00, 0x00);
    let found: Vec<_> = devices(&fake, 0).iter().map(|device| device.address).collect();
    assert_eq!(found, [at(0, 1, 0), at(0, 1, 3), at(0, 2, 0)]);
}

#[test]
fn bridges_are_followed_once_even_in_a_circle() {
    let mut fake = Fake::default();
    for (bus, behind) in [(0, 5), (5, 6), (6, 5)] {
        fake.add(at(bus, 3, 0), 0x0001_1b36, 0x06_04_00, 0x01);
        fake.set(at(bus, 3, 0), 0x18, u32::from(behind as u8) << 8, 0);
    }
    fake.add(at(6, 4, 0), 0x1001_1af4, 0x01_00_00, 0x00);
    let found: Vec<_> = devices(&fake, 0).iter().map(|device| device.address).collect();
    assert_eq!(found, [at(0, 3, 0), at(5, 3, 0), at(6, 3, 0), at(6, 4, 0)]);
}

#[test]
fn regions_are_sized_and_left_as_they_were() {
    let mut fake = Fake::default();
    let device = at(0, 4, 0);
    fake.add(device, 0x1001_1af4, 0x01_00_02, 0x00);
    fake.set(device, 0x10, 0x0000_c001, 0xffff_ff80);
    fake.set(device, 0x14, 0xfebd_1000, 0xffff_f000);
    fake.set(device, 0x18, 0x0000_0004 | 0x8, 0xffff_c000);
    fake.set(device, 0x1c, 0x0000_0080, 0xffff_ffff);
    let before = fake.0.borrow().clone();
    let found = devices(&fake, 0);
    assert_eq!(
        found[0].bars,
        [
            Some(Bar::Io { port: 0xc000 }),
            Some(Bar::Memory { address: 0xfebd_1000, size_bytes: 0x1000, prefetchable: false }),
            Some(Bar::Memory { address: 0x80_0000_0000, size_bytes: 0x4000, prefetchable: true }),
            None,
            None,
            None,
        ]
    );
    assert_eq!(*fake.0.borrow(), before);
    assert!(found[0].is(0x01, 0x00));
}

#[test]
fn nonsense_in_a_region_register_is_no_region() {
    let mut fake = Fake::default();
    let device = at(0, 4, 0);
    fake.add(device, 0x1001_1af4, 0x01_00_00, 0x00);
    for (register, value) in [0x0000_0006, 0xffff_ffff, 0x0000_0002, 0x0000_000f, 0, 0x0000_0004].iter().enumerate() {
        fake.set(device, 0x10 + 4 * register as u16, *value, 0);
    }
    for bar in devices(&fake, 0)[0].bars.iter().flatten() {
        assert!(matches!(bar, Bar::Io { .. }), "{bar:?}");
    }
}

#[test]
fn capabilities_are_listed_until_the_list_ends_or_goes_in_a_circle() {
    let mut fake = Fake::default();
    let device = at(0, 4, 0);
    fake.add(device, 0x1001_1af4, 0x01_00_00, 0x00);
    fake.set(device, 0x34, 0x98, 0);
    fake.set(device, 0x98, 0x0001_8411, 0);
    fake.set(device, 0x84, 0x0410_0009, 0);
    assert_eq!(capabilities(&fake, device), []);
    fake.set(device, 0x04, 0x0010_0007, 0);
    assert_eq!(capabilities(&fake, device), [(0x11, 0x98), (0x09, 0x84)]);
    fake.set(device, 0x84, 0x0410_9809, 0);
    assert_eq!(capabilities(&fake, device).len(), MAX_CAPABILITIES);
}
