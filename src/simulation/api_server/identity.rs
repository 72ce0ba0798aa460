//! Uids and generated names: drawn from a seed, so that one seed gives one history.

/// Letters of generated names: those of Kubernetes, without vowels.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Letters that a generated name gets.
const SUFFIX_LENGTH: usize = 5;
/// Longest prefix that a name is generated from: the rest is cut.
const PREFIX_LENGTH_MAX: usize = 58;

/// A source of uids and names.
#[derive(Debug, Clone)]
pub(crate) struct IdentitySource {
    state: u64,
}

impl IdentitySource {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number of the sequence (SplitMix64, Steele et al. 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A uid in the form of a random UUID.
    pub(crate) fn uid(&mut self) -> String {
        let bits = (u128::from(self.next()) << 64 | u128::from(self.next())) & !(0xf << 76) & !(0x3 << 62);
        let bits = bits | 0x4 << 76 | 0x2 << 62;
        let digits = format!("{bits:032x}");
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }

    /// A name that begins with `prefix`.
    pub(crate) fn name(&mut self, prefix: &str) -> String {
        let mut name: String = prefix.chars().take(PREFIX_LENGTH_MAX).collect();
        let mut bits = self.next();
        for _ in 0..SUFFIX_LENGTH {
            let count = LETTERS.len() as u64;
            let index = usize::try_from(bits % count).unwrap_or(0);
            name.push(LETTERS.get(index).map_or('b', |letter| char::from(*letter)));
            bits /= count;
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_uids_again_and_each_is_a_uuid() {
        let (mut first, mut second) = (IdentitySource::new(7), IdentitySource::new(7));
        let uid = first.uid();
        assert_eq!(uid, second.uid());
        assert_ne!(uid, first.uid());
        let parts: Vec<usize> = uid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&uid[14..15], "4");
        assert!("89ab".contains(&uid[19..20]), "{uid}");
        assert_eq!(first.name("web-").len(), 9);
    }
}
