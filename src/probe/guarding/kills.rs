//! Whom the kernel killed in this container for want of memory.
//!
//! The kubelet knows that as well (`OOMKilled`), but only of a container's last run, and once a pod has ended not of the one
//! before: by then an engine that was killed has been started again.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where a container sees its own group of processes.
const OWN_GROUP: &str = "/sys/fs/cgroup";
/// Files that count kills, by the version of the kernel's groups: the second, and the first.
const COUNTERS: [&str; 2] = ["memory.events", "memory/memory.oom_control"];
/// The counter's name in either, before a blank and the count.
const COUNTER: &str = "oom_kill";

/// The kernel's kills in a group of processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KernelKills {
    /// Absent where the kernel does not say.
    counter: Option<PathBuf>,
    known: u64,
}

impl KernelKills {
    /// Those in this container, from now on.
    pub(super) fn begin() -> Self {
        Self::of(Path::new(OWN_GROUP))
    }

    fn of(group: &Path) -> Self {
        let mut files = COUNTERS.iter().map(|file| group.join(file));
        let counter = files.find(|file| read(file).is_some());
        let known = counter.as_deref().and_then(read).unwrap_or_default();
        Self { counter, known }
    }

    /// A line for the engine's output, where there were kills since the last call. The core knows it as evidence.
    pub(super) fn told_once(&mut self) -> Option<String> {
        let count = self.counter.as_deref().and_then(read)?;
        let new = count.checked_sub(self.known).filter(|new| *new > 0)?;
        self.known = count;
        Some(format!("phaseloop guard: the kernel killed {new} of the engine's processes for memory\n"))
    }
}

fn read(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let counts = text.lines().filter_map(|line| line.split_once(' '));
    counts.filter(|(name, _)| *name == COUNTER).find_map(|(_, count)| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group of processes of its own.
    fn group(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("phaseloop-kills-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("memory")).unwrap();
        folder
    }

    fn line(new: u64) -> String {
        format!("phaseloop guard: the kernel killed {new} of the engine's processes for memory\n")
    }

    #[test]
    fn kills_are_told_once_by_either_version_of_the_kernels_groups() {
        for (file, before) in [
            ("memory.events", "low 0\nhigh 0\nmax 19\noom 1\noom_kill COUNT\noom_group_kill 0\n"),
            ("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill COUNT\n"),
        ] {
            let group = group(&file.replace('/', "-"));
            let path = group.join(file);
            let count = |count: &str| fs::write(&path, before.replace("COUNT", count)).unwrap();
            count("2");
            let mut kills = KernelKills::of(&group);
            assert_eq!(kills.told_once(), None, "those of others before");
            count("3");
            assert_eq!((kills.told_once(), kills.told_once()), (Some(line(1)), None), "{file}");
            count("5");
            assert_eq!(kills.told_once(), Some(line(2)), "{file}");
            fs::remove_dir_all(group).unwrap();
        }
    }

    #[test]
    fn a_kernel_that_counts_nothing_tells_nothing() {
        let group = group("none");
        assert_eq!(KernelKills::of(&group).told_once(), None);
        fs::remove_dir_all(group).unwrap();
    }
}
