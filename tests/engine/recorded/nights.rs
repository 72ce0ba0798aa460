//! All nights, and into which groups they fall.

use serde_json::Value;

use super::{RecordedNight, file};

/// Healthy nights with 32 places that the constants of the machine were found on, and those that they were not.
pub(crate) const CALIBRATING: [u32; 5] = [1, 5, 7, 9, 17];
pub(crate) const HELD_OUT: [u32; 5] = [2, 6, 10, 15, 16];
/// The same for nights with two places. Of the first only the time per token was used.
pub(crate) const CALIBRATING_FEW: [u32; 1] = [11];
pub(crate) const HELD_OUT_FEW: [u32; 2] = [12, 13];

/// The nights on which an engine served.
pub(crate) fn nights() -> Vec<RecordedNight> {
    let labels: Value = serde_json::from_str(&file("examples/recorded-nights/labels.json")).unwrap();
    let labels = labels.as_object().unwrap();
    let read = |(name, label): (&String, &Value)| {
        RecordedNight::read(name.strip_prefix("night").unwrap().parse().unwrap(), label.as_str().unwrap())
    };
    labels.iter().filter_map(read).collect()
}

/// Those of one group.
pub(crate) fn of_nights<'a>(nights: &'a [RecordedNight], numbers: &[u32]) -> Vec<&'a RecordedNight> {
    nights.iter().filter(|night| numbers.contains(&night.number)).collect()
}
