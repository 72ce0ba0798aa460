//! Virtual time and sizes.

pub use crate::probe::load::Micros;
pub(super) use crate::probe::load::whole;

/// Bytes of one GiB, in which vLLM prints memory.
pub const GIB: u64 = 1 << 30;

/// Bytes in GiB, as figures of a log.
pub(super) const fn in_gib(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}

/// Bytes in GiB as vLLM's messages print them: rounded to two places, of which Python prints no more than it must.
pub(super) fn gib_text(bytes: u64) -> String {
    format!("{:?}", libm::round(in_gib(bytes) * 100.0) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_printed_as_python_prints_what_it_rounded() {
        for (bytes, text) in [(0, "0.0"), (GIB, "1.0"), (GIB / 2, "0.5"), (GIB / 3, "0.33"), (GIB / 1000, "0.0")] {
            assert_eq!(gib_text(bytes), text);
        }
    }
}
