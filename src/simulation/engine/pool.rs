//! The blocks of the KV cache: who holds how many, and the shared prefix.

/// Blocks in use, without their contents.
#[derive(Debug, Clone)]
pub(super) struct BlockPool {
    blocks: u64,
    block_tokens: u64,
    /// Held by single requests.
    held: u64,
    prefix: Prefix,
    prefix_blocks: u64,
    used_max: u64,
}

/// The blocks that all prompts begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    /// Nobody has computed them, or they had to go.
    Absent,
    /// They are there, and so many requests use them. Without one they stay until their room is needed.
    Cached(u64),
}

/// Blocks of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Holding {
    /// Blocks of its own.
    own: u64,
    /// Blocks of the shared prefix that it uses.
    shared: u64,
}

impl BlockPool {
    /// An empty cache. `prefix_tokens` is what all prompts begin with, 0 where prefixes are not shared.
    pub(super) const fn new(blocks: u64, block_tokens: u64, prefix_tokens: u64) -> Self {
        let prefix_blocks = prefix_tokens / block_tokens;
        Self { blocks, block_tokens, held: 0, prefix: Prefix::Absent, prefix_blocks, used_max: 0 }
    }

    /// Blocks that hold tokens of running requests.
    pub(super) const fn used(&self) -> u64 {
        match self.prefix {
            Prefix::Cached(1..) => self.held + self.prefix_blocks,
            _ => self.held,
        }
    }

    /// Most blocks that were in use at a time, as a share of all.
    pub(super) fn used_share_max(&self) -> f64 {
        self.used_max as f64 / self.blocks as f64
    }

    /// Tokens of the prefix that need not be computed.
    pub(super) const fn cached_tokens(&self) -> u64 {
        match self.prefix {
            Prefix::Cached(_) => self.prefix_blocks * self.block_tokens,
            Prefix::Absent => 0,
        }
    }

    /// Takes over the cached prefix for a request that begins with it.
    pub(super) const fn share_prefix(&mut self, holding: &mut Holding) {
        if let Prefix::Cached(users) = self.prefix {
            self.prefix = Prefix::Cached(users + 1);
            holding.shared = self.prefix_blocks;
        }
    }

    /// Whether a request that holds nothing could hold that many tokens, of which `cached` are in the shared prefix,
    /// and leave so many blocks free.
    pub(super) const fn has_room(&self, tokens: u64, cached: u64, keep_free: u64) -> bool {
        let needed = tokens.div_ceil(self.block_tokens).saturating_sub(cached / self.block_tokens);
        let prefix = if cached > 0 && matches!(self.prefix, Prefix::Cached(0)) { self.prefix_blocks } else { 0 };
        self.used() + prefix + needed + keep_free <= self.blocks
    }

    /// Grows a request to that many tokens; false, and nothing changes, where there is no room.
    pub(super) fn grow(&mut self, holding: &mut Holding, tokens: u64) -> bool {
        let wanted = tokens.div_ceil(self.block_tokens).saturating_sub(holding.shared);
        let more = wanted.saturating_sub(holding.own);
        if self.used() + more > self.blocks {
            return false;
        }
        holding.own += more;
        self.held += more;
        if matches!(self.prefix, Prefix::Cached(0)) && self.held + self.prefix_blocks > self.blocks {
            self.prefix = Prefix::Absent;
        }
        self.used_max = self.used_max.max(self.used());
        true
    }

    /// Makes the first blocks of a request the shared prefix, once it has computed them and nobody did before.
    pub(super) const fn publish_prefix(&mut self, holding: &mut Holding, computed_tokens: u64) {
        let complete = self.prefix_blocks > 0 && computed_tokens >= self.prefix_blocks * self.block_tokens;
        if complete && holding.shared == 0 && matches!(self.prefix, Prefix::Absent) {
            holding.own -= self.prefix_blocks;
            holding.shared = self.prefix_blocks;
            self.held -= self.prefix_blocks;
            self.prefix = Prefix::Cached(1);
        }
    }

    /// Takes a request's blocks back.
    pub(super) const fn release(&mut self, holding: &mut Holding) {
        self.held -= holding.own;
        if holding.shared > 0
            && let Prefix::Cached(users) = self.prefix
        {
            self.prefix = Prefix::Cached(users - 1);
        }
        *holding = Holding { own: 0, shared: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_whole_blocks_and_gives_them_back() {
        let mut pool = BlockPool::new(10, 16, 0);
        let mut holding = Holding::default();
        assert!(pool.grow(&mut holding, 17));
        assert_eq!(pool.used(), 2);
        assert!(pool.grow(&mut holding, 32), "no block more");
        assert_eq!(pool.used(), 2);
        assert!(!pool.grow(&mut holding, 161));
        assert_eq!(pool.used(), 2, "a refusal changes nothing");
        assert!(pool.grow(&mut holding, 160));
        assert_eq!(pool.used_share_max(), 1.0);
        pool.release(&mut holding);
        assert_eq!((pool.used(), holding), (0, Holding::default()));
    }

    #[test]
    fn a_computed_prefix_is_held_once_by_all_who_begin_with_it() {
        let mut pool = BlockPool::new(10, 16, 40);
        let (mut first, mut second) = (Holding::default(), Holding::default());
        assert_eq!(pool.cached_tokens(), 0);
        assert!(pool.grow(&mut first, 48));
        pool.publish_prefix(&mut first, 31);
        assert_eq!(pool.cached_tokens(), 0, "not computed yet");
        pool.publish_prefix(&mut first, 48);
        assert_eq!((pool.cached_tokens(), pool.used()), (32, 3), "whole blocks only");
        pool.share_prefix(&mut second);
        assert!(pool.grow(&mut second, 48));
        assert_eq!(pool.used(), 4);
        pool.release(&mut first);
        assert_eq!(pool.used(), 3);
        pool.release(&mut second);
        assert_eq!((pool.used(), pool.cached_tokens()), (0, 32), "it stays while there is room");
    }

    #[test]
    fn an_unused_prefix_goes_when_its_room_is_needed() {
        let mut pool = BlockPool::new(4, 16, 32);
        let mut first = Holding::default();
        assert!(pool.grow(&mut first, 32));
        pool.publish_prefix(&mut first, 32);
        pool.release(&mut first);
        assert!(pool.has_room(64, 0, 0) && pool.has_room(64, 32, 0) && !pool.has_room(64, 32, 1));
        let mut other = Holding::default();
        assert!(pool.grow(&mut other, 32));
        assert_eq!(pool.cached_tokens(), 32);
        assert!(pool.grow(&mut other, 33));
        assert_eq!(pool.cached_tokens(), 0);
    }
}
