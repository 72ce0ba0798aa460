//! Which tests were reported before.

use crate::prelude::*;

/// Tests whose repetition is recognised; a few MiB of hashes. Tests beyond it are counted, and said to be unchecked.
pub const TESTS_REGISTERED_MAX: usize = 262_144;

/// Offset basis and prime of FNV-1a with 64 bits (RFC 9923).
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
/// See [`FNV_OFFSET`].
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Whether a test was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registered {
    /// No, and it is known from now on.
    New,
    /// Yes.
    Repeated,
    /// Not among the registered ones, and there is no room for another.
    Unchecked,
}

/// Hashes of the tests reported so far. Among 262,144 tests, two of one hash have a chance of 2 in 10^9.
#[derive(Debug)]
pub(super) struct TestRegister {
    hashes: BTreeSet<u64>,
    room: usize,
}

impl TestRegister {
    pub(super) const fn new(room: usize) -> Self {
        Self { hashes: BTreeSet::new(), room }
    }

    /// Registers the test of a domain.
    pub(super) fn register(&mut self, domain: &str, test: &str) -> Registered {
        let hash = hash_of(domain, test);
        if self.hashes.contains(&hash) {
            Registered::Repeated
        } else if self.hashes.len() < self.room {
            self.hashes.insert(hash);
            Registered::New
        } else {
            Registered::Unchecked
        }
    }
}

/// FNV-1a over both names, with a byte between that UTF-8 has no use for.
fn hash_of(domain: &str, test: &str) -> u64 {
    let bytes = domain.bytes().chain([0xff]).chain(test.bytes());
    bytes.fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // FNV-1a 64 of the bytes "a", 0xff, "b", computed with another implementation (Python).
        assert_eq!(hash_of("a", "b"), 0xe57d_a319_03de_37b1);
    }

    #[test]
    fn a_test_is_new_once_per_domain() {
        let mut register = TestRegister::new(10);
        assert_eq!(register.register("chat", "t1"), Registered::New);
        assert_eq!(register.register("chat", "t1"), Registered::Repeated);
        assert_eq!(register.register("rag", "t1"), Registered::New);
        assert_eq!(register.register("cha", "tt1"), Registered::New, "where the domain ends matters");
    }

    #[test]
    fn a_full_register_still_knows_what_it_holds() {
        let mut register = TestRegister::new(2);
        assert_eq!(register.register("chat", "t1"), Registered::New);
        assert_eq!(register.register("chat", "t2"), Registered::New);
        assert_eq!(register.register("chat", "t3"), Registered::Unchecked);
        assert_eq!(register.register("chat", "t3"), Registered::Unchecked);
        assert_eq!(register.register("chat", "t2"), Registered::Repeated);
    }
}
