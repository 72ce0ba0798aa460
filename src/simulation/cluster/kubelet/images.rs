//! Images: which node has which, how long a pull takes, and when none succeeds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{schedule::later_by, value::digest::hex_digest};

/// How long an image is pulled of which nothing is said.
const PULL_DEFAULT: SignedDuration = SignedDuration::from_secs(3);

/// A time in which an image can't be pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFault {
    /// The image, as containers name it.
    pub image: String,
    /// From here on.
    pub from: Timestamp,
    /// Before this.
    pub until: Timestamp,
}

/// The images of all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageStore {
    pull_times: BTreeMap<String, SignedDuration>,
    present: BTreeSet<(String, String)>,
    faults: Vec<ImageFault>,
}

/// What a node can do with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pull {
    /// It is there.
    Present,
    /// It is pulled, and there at this instant.
    Until(Timestamp),
    /// It can't be pulled.
    Failed(String),
}

impl ImageStore {
    /// Says how long an image is pulled.
    pub fn set_pull_time(&mut self, image: &str, time: SignedDuration) {
        self.pull_times.insert(image.to_owned(), time);
    }

    /// Puts an image on a node.
    pub fn preload(&mut self, node: &str, image: &str) {
        self.present.insert((node.to_owned(), image.to_owned()));
    }

    /// Adds a time in which an image can't be pulled.
    pub fn add_fault(&mut self, fault: ImageFault) {
        self.faults.push(fault);
    }

    /// A node asks for an image. What is pulled is there from then on.
    pub(super) fn ask(&mut self, node: &str, image: &str, now: Timestamp) -> Pull {
        let place = (node.to_owned(), image.to_owned());
        if self.present.contains(&place) {
            return Pull::Present;
        }
        let fails = self.faults.iter().any(|fault| fault.image == image && (fault.from..fault.until).contains(&now));
        if fails {
            return Pull::Failed(format!("failed to pull and unpack image {image:?}: not found"));
        }
        self.present.insert(place);
        Pull::Until(later_by(now, self.pull_times.get(image).copied().unwrap_or(PULL_DEFAULT)))
    }

    /// The id of an image, with its digest.
    pub(super) fn id_of(image: &str) -> String {
        let name = image.split('@').next().unwrap_or(image);
        let repository = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name);
        match image.split_once("@sha256:") {
            Some((_, digest)) => format!("{repository}@sha256:{digest}"),
            None => format!("{repository}@sha256:{}", hex_digest(&["image", image])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_pulled_once_per_node() {
        let mut images = ImageStore::default();
        images.set_pull_time("vllm:1", SignedDuration::from_secs(40));
        let now = Timestamp::from_second(100).unwrap();
        let later = Timestamp::from_second(140).unwrap();
        assert_eq!(images.ask("a", "vllm:1", now), Pull::Until(later));
        assert_eq!(images.ask("a", "vllm:1", later), Pull::Present);
        assert_eq!(images.ask("b", "vllm:1", now), Pull::Until(later));
    }

    #[test]
    fn an_image_that_is_there_is_not_asked_for_at_its_registry() {
        let mut images = ImageStore::default();
        let (from, until) = (Timestamp::from_second(0).unwrap(), Timestamp::from_second(10).unwrap());
        images.add_fault(ImageFault { image: "vllm:1".to_owned(), from, until });
        images.preload("a", "vllm:1");
        assert_eq!(images.ask("a", "vllm:1", from), Pull::Present);
        assert!(matches!(images.ask("b", "vllm:1", from), Pull::Failed(_)));
        assert!(matches!(images.ask("b", "vllm:1", until), Pull::Until(_)));
    }

    #[test]
    fn an_id_carries_the_digest_and_no_tag() {
        let id = ImageStore::id_of("registry.example:5000/vllm/vllm-openai:v0.33.0");
        assert!(id.starts_with("registry.example:5000/vllm/vllm-openai@sha256:"), "{id}");
        assert_ne!(ImageStore::id_of("a:1"), ImageStore::id_of("a:2"));
        assert_eq!(ImageStore::id_of("a@sha256:beef"), "a@sha256:beef");
        assert!(ImageStore::id_of("registry.example:5000/vllm").starts_with("registry.example:5000/vllm@"));
    }
}
