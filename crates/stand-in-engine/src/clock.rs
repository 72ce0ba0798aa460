//! The wall clock, as log lines and metrics show it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time since 1970 in UTC.
pub(crate) fn since_epoch() -> Duration {
    #[allow(clippy::disallowed_methods, reason = "the one place of this program that reads the wall clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970 with their fraction.
pub(crate) fn epoch_seconds() -> f64 {
    since_epoch().as_secs_f64()
}

/// `11-23 02:11:49`: as vLLM's logger prints an instant. UTC.
pub(crate) fn log_time(since_epoch: Duration) -> String {
    let (month, day) = month_and_day(since_epoch.as_secs() / 86_400);
    let (hours, minutes, seconds) = time_of_day(since_epoch);
    format!("{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}")
}

/// `1123 02:12:03.642609459`: as PyTorch prints an instant. UTC.
pub(crate) fn compact_time(since_epoch: Duration) -> String {
    let (month, day) = month_and_day(since_epoch.as_secs() / 86_400);
    let (hours, minutes, seconds) = time_of_day(since_epoch);
    format!("{month:02}{day:02} {hours:02}:{minutes:02}:{seconds:02}.{:09}", since_epoch.subsec_nanos())
}

fn time_of_day(since_epoch: Duration) -> (u64, u64, u64) {
    let seconds = since_epoch.as_secs() % 86_400;
    (seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Month and day of a day counted from 1970-01-01, after Howard Hinnant's "chrono-compatible low-level date algorithms":
/// years begin in March, so that the leap day is the last one.
fn month_and_day(day: u64) -> (u64, u64) {
    let days = day + 719_468;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * months_from_march + 2) / 5 + 1;
    (if months_from_march < 10 { months_from_march + 3 } else { months_from_march - 9 }, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_printed_as_vllm_and_pytorch_print_it() {
        // 2026-11-23T02:11:49Z, and the last second of a leap day.
        let instant = Duration::new(1_795_399_909, 642_609_459);
        assert_eq!(log_time(instant), "11-23 02:11:49");
        assert_eq!(compact_time(instant), "1123 02:11:49.642609459");
        assert_eq!(log_time(Duration::from_secs(951_868_799)), "02-29 23:59:59");
        assert_eq!(log_time(Duration::from_secs(951_868_799) + Duration::from_secs(1)), "03-01 00:00:00");
        assert_eq!(log_time(Duration::ZERO), "01-01 00:00:00");
    }
}
