//! The GPUs that the container sees, asked of NVML: the driver's library, which NVIDIA's runtime mounts into containers that
//! request a GPU. Where it is not there, nothing is said of any GPU.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use nvml_wrapper::{Device, Nvml, error::NvmlError};
use phaseloop_core::analysis::probe::ReportedGPU;

/// Between two looks. A look costs the driver microseconds; vLLM holds its memory for whole phases of its life.
const INTERVAL: Duration = Duration::from_secs(1);
const BYTES_PER_MIB: u64 = 1 << 20;
/// What NVML says of a card that is split.
const MIG_ENABLED: u32 = 1;

/// What was seen so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SeenGPUs {
    pub(super) gpu: Option<ReportedGPU>,
    pub(super) memory_used_mib_max: Option<u64>,
}

/// Looks at the GPUs from now on, in a thread of its own: a driver in trouble may answer late or never.
pub(super) fn watch_gpus() -> io::Result<Arc<Mutex<SeenGPUs>>> {
    let seen = Arc::new(Mutex::new(SeenGPUs::default()));
    let shared = Arc::clone(&seen);
    let watch = move || {
        let nvml = match Nvml::init() {
            Ok(nvml) => nvml,
            Err(error) => {
                eprintln!("phaseloop guard: GPUUnobserved: {error}");
                return;
            }
        };
        loop {
            match look(&nvml) {
                Ok(now) => take(&mut shared.lock().unwrap_or_else(PoisonError::into_inner), now),
                Err(error) => eprintln!("phaseloop guard: the GPUs can't be looked at: {error}"),
            }
            thread::sleep(INTERVAL);
        }
    };
    thread::Builder::new().name("gpu watch".to_owned()).spawn(watch)?;
    Ok(seen)
}

/// Adds a look to what was seen: the cards as they are now, the largest use of all looks.
fn take(seen: &mut SeenGPUs, now: SeenGPUs) {
    let largest = |gpu: &Option<ReportedGPU>| gpu.as_ref().and_then(|gpu| gpu.memory_percent_max);
    let memory_percent_max = largest(&seen.gpu).max(largest(&now.gpu));
    // A look in which no card answers takes nothing back of what was seen.
    let gpu = now.gpu.or_else(|| seen.gpu.take());
    seen.gpu = gpu.map(|gpu| ReportedGPU { memory_percent_max, ..gpu });
    seen.memory_used_mib_max = seen.memory_used_mib_max.max(now.memory_used_mib_max);
}

fn look(nvml: &Nvml) -> Result<SeenGPUs, NvmlError> {
    let mut devices = Vec::new();
    let mut is_split = false;
    for index in 0..nvml.device_count()? {
        let device = nvml.device_by_index(index)?;
        // Cards that can't be split answer that they don't know the question.
        if device.mig_mode().is_ok_and(|mode| mode.current == MIG_ENABLED) {
            is_split = true;
            devices.extend((0..device.mig_device_count()?).filter_map(|part| device.mig_device_by_index(part).ok()));
        } else {
            devices.push(device);
        }
    }
    let count = u32::try_from(devices.len()).ok();
    let memories: Vec<(u64, u64)> = devices.iter().filter_map(memory_of).collect();
    let used = memories.iter().map(|(used, _)| used / BYTES_PER_MIB).max();
    let gpu = count.filter(|count| *count > 0).map(|count| ReportedGPU {
        product: products(devices.iter().filter_map(|device| device.name().ok())),
        count: Some(count),
        driver_version: nvml.sys_driver_version().ok(),
        // Whether others take turns on a card can't be seen from within a container.
        sharing: is_split.then(|| "mig".to_owned()),
        memory_percent_max: memories.iter().filter_map(|(used, total)| percent_of(*used, *total)).max(),
    });
    Ok(SeenGPUs { gpu, memory_used_mib_max: used })
}

/// Bytes in use, and all of them.
fn memory_of(device: &Device<'_>) -> Option<(u64, u64)> {
    device.memory_info().ok().map(|memory| (memory.used, memory.total))
}

/// A share in percent, rounded up: what is above a limit by a byte is above it.
fn percent_of(used: u64, total: u64) -> Option<u32> {
    let hundredths = u128::from(used) * 100;
    let percent = hundredths.checked_add(u128::from(total).checked_sub(1)?)? / u128::from(total);
    u32::try_from(percent).ok().filter(|percent| *percent <= 100)
}

/// One name for cards of one product, all names for cards of several.
fn products(names: impl Iterator<Item = String>) -> Option<String> {
    let names: BTreeSet<String> = names.collect();
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(product: &str, used: Option<u64>) -> SeenGPUs {
        let gpu = ReportedGPU { product: Some(product.to_owned()), ..ReportedGPU::default() };
        SeenGPUs { gpu: Some(gpu), memory_used_mib_max: used }
    }

    #[test]
    fn a_share_is_rounded_up_and_a_card_that_says_nothing_has_none() {
        let gibibyte = 1 << 30;
        for (used, total, percent) in [
            (0, 80 * gibibyte, Some(0)),
            (1, 80 * gibibyte, Some(1)),
            (72 * gibibyte, 80 * gibibyte, Some(90)),
            (72 * gibibyte + 1, 80 * gibibyte, Some(91)),
            (80 * gibibyte, 80 * gibibyte, Some(100)),
            (81 * gibibyte, 80 * gibibyte, None),
            (0, 0, None),
        ] {
            assert_eq!(percent_of(used, total), percent, "{used} of {total}");
        }
    }

    #[test]
    fn the_largest_share_of_all_looks_is_kept_also_where_a_look_saw_nothing() {
        let look = |percent: Option<u32>| {
            let gpu = ReportedGPU { memory_percent_max: percent, ..ReportedGPU::default() };
            SeenGPUs { gpu: Some(gpu), memory_used_mib_max: None }
        };
        let mut all = SeenGPUs::default();
        for (now, largest) in [(look(None), None), (look(Some(91)), Some(91)), (look(Some(3)), Some(91))] {
            take(&mut all, now);
            assert_eq!(all.gpu.as_ref().unwrap().memory_percent_max, largest);
        }
        take(&mut all, SeenGPUs::default());
        assert_eq!(all.gpu.as_ref().unwrap().memory_percent_max, Some(91));
    }

    #[test]
    fn the_largest_use_of_all_looks_is_kept() {
        let mut all = SeenGPUs::default();
        for (used, largest) in
            [(None, None), (Some(700), Some(700)), (Some(70_000), Some(70_000)), (Some(3), Some(70_000))]
        {
            take(&mut all, seen("card", used));
            assert_eq!(all, seen("card", largest));
        }
    }

    #[test]
    fn cards_of_one_product_have_one_name() {
        let names = |names: &[&str]| products(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(names(&["A", "A"]).as_deref(), Some("A"));
        assert_eq!(names(&["B", "A"]).as_deref(), Some("A, B"));
        assert_eq!(names(&[]), None);
    }
}
