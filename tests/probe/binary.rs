//! What the binary needs of the machine on which it runs: the guard runs in the images of engines, with their C library.

use std::fs;

/// The newest version of glibc that may be needed: that of the images that vLLM 0.9 and later are built on, Debian 12 and
/// RHEL 9 have at least this.
const NEWEST: [u32; 2] = [2, 34];

/// The versions of glibc that a binary names: in an ELF file they stand as strings of their own, each ended by a zero.
fn needed(binary: &[u8]) -> Vec<Vec<u32>> {
    let names = binary.split(|byte| *byte == 0).filter_map(|name| name.strip_prefix(b"GLIBC_"));
    let numbers = names.filter_map(|name| {
        let text = std::str::from_utf8(name).ok()?;
        text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()
    });
    let mut versions: Vec<Vec<u32>> = numbers.collect();
    versions.sort();
    versions.dedup();
    versions
}

#[test]
fn the_binary_needs_no_newer_glibc_than_engine_images_have() {
    let versions = needed(&fs::read(env!("CARGO_BIN_EXE_phaseloop")).unwrap());
    assert!(!versions.is_empty(), "a binary that is linked dynamically names some");
    let newer: Vec<&Vec<u32>> = versions.iter().filter(|version| version.as_slice() > &NEWEST[..]).collect();
    assert!(newer.is_empty(), "needs glibc {newer:?}");
}

#[test]
fn a_binary_that_needs_a_newer_one_is_found() {
    let versions = needed(b"\x7fELF\0GLIBC_2.3.4\0GLIBC_2.35\0GLIBC_PRIVATE\0GLIBC_2.34\0");
    assert_eq!(versions, [vec![2, 3, 4], vec![2, 34], vec![2, 35]]);
    assert!(versions.last().unwrap().as_slice() > &NEWEST[..]);
    assert!([2, 34].as_slice() <= &NEWEST[..] && [2, 3, 4].as_slice() <= &NEWEST[..]);
}
