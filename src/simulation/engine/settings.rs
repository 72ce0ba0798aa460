//! The engine's arguments, as far as the model knows them, and what they become on a card.

use std::collections::BTreeMap;

use phaseloop_core::{
    tuning::catalogue::find_actuator,
    value::{Decimal, ParameterName, ParameterValue},
};

use super::{card::Card, model::ModelShape};

/// Share of the card that an engine takes unless told otherwise (`CacheConfig` of vLLM 0.33).
const UTILIZATION_DEFAULT: Decimal = Decimal::from_millionths(920_000);
/// Tokens of a block of the KV cache unless told otherwise.
const BLOCK_SIZE_DEFAULT: u64 = 16;
/// Defaults for requests and tokens of a step on large cards, and on others (`EngineArgs.get_batch_defaults`).
const LARGE_DEFAULTS: (u64, u64) = (1024, 8192);
const OTHER_DEFAULTS: (u64, u64) = (256, 2048);
/// What stands for "as long as memory allows".
const LENGTH_BY_MEMORY: &str = "-1";

/// Arguments that decide over memory and speed. What is absent is the engine's own choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// Share of the card's memory.
    pub gpu_memory_utilization: Decimal,
    /// Size of the KV cache, which then nothing else decides.
    pub kv_cache_memory_bytes: Option<u64>,
    /// Requests of a step.
    pub max_num_seqs: Option<u64>,
    /// Requests admitted to run, without sizing anything.
    pub max_num_active_seqs: Option<u64>,
    /// Tokens of a step.
    pub max_num_batched_tokens: Option<u64>,
    /// Longest sequence.
    pub max_model_len: ModelLength,
    /// No CUDA graphs and no compiled code.
    pub enforce_eager: bool,
    /// Whether blocks of a shared prefix are computed once.
    pub enable_prefix_caching: bool,
    /// Whether prompts may be cut into pieces.
    pub enable_chunked_prefill: bool,
    /// Tokens of a block.
    pub block_size: u64,
    /// Share of the cache kept free when a request is admitted.
    pub watermark: Decimal,
    /// Largest piece of a prompt, tokens; 0 is none.
    pub long_prefill_token_threshold: u64,
    /// Requests that may wait.
    pub max_num_queued_reqs: Option<u64>,
    /// Bits of one element of the cache.
    pub cache_element_bits: u64,
    /// Every argument as it was given, for what the engine says of itself.
    pub arguments: BTreeMap<String, String>,
}

/// How long a sequence may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelLength {
    /// As long as the model can.
    OfModel,
    /// As long as the model can and the cache holds.
    ByMemory,
    /// That many tokens.
    Tokens(u64),
}

/// Arguments with which no engine starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The parser of arguments refuses the value.
    #[error("argument --{flag}: invalid value: '{value}'")]
    Unreadable {
        /// Canonical name of the flag.
        flag: String,
        /// What stands there.
        value: String,
    },
    /// Arguments that contradict each other, the model or the engine; in the engine's words.
    #[error("Value error, {0}")]
    Contradiction(String),
    /// A flag that would change what is modelled here, and is not part of the model.
    #[error("--{flag} {value} is not part of this model of an engine, which serves from one card")]
    NotModelled {
        /// Canonical name of the flag.
        flag: String,
        /// What stands there.
        value: String,
    },
}

/// What the arguments become with a card and a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvedSettings {
    /// Requests of a step; sizes buffers and graphs.
    pub max_num_seqs: u64,
    /// Requests that run at a time.
    pub running_max: u64,
    /// Tokens of a step.
    pub max_num_batched_tokens: u64,
    /// Longest sequence, tokens.
    pub max_model_len: u64,
    /// Whether a length that does not fit is shortened rather than refused.
    pub fits_length: bool,
}

impl Default for EngineSettings {
    /// An engine without arguments.
    fn default() -> Self {
        Self {
            gpu_memory_utilization: UTILIZATION_DEFAULT,
            kv_cache_memory_bytes: None,
            max_num_seqs: None,
            max_num_active_seqs: None,
            max_num_batched_tokens: None,
            max_model_len: ModelLength::OfModel,
            enforce_eager: false,
            enable_prefix_caching: true,
            enable_chunked_prefill: true,
            block_size: BLOCK_SIZE_DEFAULT,
            watermark: Decimal::ZERO,
            long_prefill_token_threshold: 0,
            max_num_queued_reqs: None,
            cache_element_bits: 16,
            arguments: BTreeMap::new(),
        }
    }
}

impl EngineSettings {
    /// Reads canonical flag name -> value, as `configuration_of` of the core makes it of an argument list. Flags that
    /// decide nothing here are kept for the log.
    ///
    /// # Errors
    /// A value that the engine's parser would refuse, a value out of the engine's range, or a flag for several cards.
    pub fn from_configuration(configuration: &BTreeMap<String, String>) -> Result<Self, SettingsError> {
        let read = Reader { configuration };
        read.refuse_several_cards()?;
        let defaults = Self::default();
        let settings = Self {
            gpu_memory_utilization: read.number("gpu-memory-utilization")?.unwrap_or(UTILIZATION_DEFAULT),
            kv_cache_memory_bytes: read.count("kv-cache-memory-bytes")?,
            max_num_seqs: read.count("max-num-seqs")?,
            max_num_active_seqs: read.count("max-num-active-seqs")?,
            max_num_batched_tokens: read.count("max-num-batched-tokens")?,
            max_model_len: read.model_length()?,
            enforce_eager: read.switch("enforce-eager", defaults.enforce_eager)?,
            enable_prefix_caching: read.switch("enable-prefix-caching", defaults.enable_prefix_caching)?,
            enable_chunked_prefill: read.switch("enable-chunked-prefill", defaults.enable_chunked_prefill)?,
            block_size: read.count("block-size")?.unwrap_or(BLOCK_SIZE_DEFAULT),
            watermark: read.number("watermark")?.unwrap_or(Decimal::ZERO),
            long_prefill_token_threshold: read.size("long-prefill-token-threshold")?.unwrap_or(0),
            max_num_queued_reqs: read.count("max-num-queued-reqs")?,
            cache_element_bits: read.cache_element_bits()?,
            arguments: configuration.clone(),
        };
        settings.check_ranges()?;
        Ok(settings)
    }

    fn check_ranges(&self) -> Result<(), SettingsError> {
        let utilization = self.gpu_memory_utilization;
        if utilization <= Decimal::ZERO || utilization > Decimal::from_integer(1) {
            return Err(contradiction(format!("gpu_memory_utilization must be in (0, 1], got {utilization}")));
        }
        if self.watermark < Decimal::ZERO || self.watermark >= Decimal::from_integer(1) {
            return Err(contradiction(format!("watermark must be in [0, 1), got {}", self.watermark)));
        }
        Ok(())
    }

    /// What the arguments become with this card and this model.
    ///
    /// # Errors
    /// Arguments that contradict each other or the model.
    pub fn resolve(&self, card: &Card, model: &ModelShape) -> Result<ResolvedSettings, SettingsError> {
        let (sequences, tokens) = if card.has_large_defaults() { LARGE_DEFAULTS } else { OTHER_DEFAULTS };
        let max_model_len = match self.max_model_len {
            ModelLength::Tokens(length) if length > model.max_length_tokens => {
                let longest = model.max_length_tokens;
                return Err(contradiction(format!(
                    "User-specified max_model_len ({length}) is greater than the derived max_model_len (max_position_embeddings={longest}). This may lead to incorrect model outputs or CUDA errors."
                )));
            }
            ModelLength::Tokens(length) => length,
            ModelLength::OfModel | ModelLength::ByMemory => model.max_length_tokens,
        };
        let whole_prompts = if self.enable_chunked_prefill { 0 } else { max_model_len };
        let max_num_batched_tokens = self.max_num_batched_tokens.unwrap_or_else(|| tokens.max(whole_prompts));
        let max_num_seqs = self.max_num_seqs.unwrap_or_else(|| sequences.min(max_num_batched_tokens));
        if max_num_batched_tokens < whole_prompts {
            return Err(contradiction(format!(
                "max_num_batched_tokens ({max_num_batched_tokens}) is smaller than max_model_len ({max_model_len}). This effectively limits the maximum sequence length to max_num_batched_tokens and makes vLLM reject longer sequences. Please increase max_num_batched_tokens or decrease max_model_len."
            )));
        }
        if max_num_batched_tokens < max_num_seqs {
            return Err(contradiction(format!(
                "max_num_batched_tokens ({max_num_batched_tokens}) must be greater than or equal to max_num_seqs ({max_num_seqs})."
            )));
        }
        let active = self.max_num_active_seqs.unwrap_or(max_num_seqs);
        if active > max_num_seqs {
            return Err(contradiction(format!(
                "max_num_active_seqs ({active}) must be less than or equal to max_num_seqs ({max_num_seqs})."
            )));
        }
        Ok(ResolvedSettings {
            max_num_seqs,
            running_max: active,
            max_num_batched_tokens,
            max_model_len,
            fits_length: self.max_model_len == ModelLength::ByMemory,
        })
    }
}

const fn contradiction(message: String) -> SettingsError {
    SettingsError::Contradiction(message)
}

/// Reads single flags of a configuration.
struct Reader<'a> {
    configuration: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    fn text(&self, flag: &str) -> Option<&str> {
        self.configuration.get(flag).map(String::as_str)
    }

    fn unreadable(&self, flag: &str) -> SettingsError {
        SettingsError::Unreadable { flag: flag.to_owned(), value: self.text(flag).unwrap_or_default().to_owned() }
    }

    /// A number as the engine's parser reads it: `16K` is 16384.
    fn number(&self, flag: &str) -> Result<Option<Decimal>, SettingsError> {
        let Some(text) = self.text(flag) else { return Ok(None) };
        let value = find_actuator(&ParameterName::new(flag))
            .map_or_else(|| ParameterValue::from(text), |actuator| actuator.read_value(text));
        value.as_number().map(Some).ok_or_else(|| self.unreadable(flag))
    }

    /// A whole number, 0 or more.
    fn size(&self, flag: &str) -> Result<Option<u64>, SettingsError> {
        let Some(number) = self.number(flag)? else { return Ok(None) };
        let whole = number.to_integer().and_then(|whole| u64::try_from(whole).ok());
        whole.map(Some).ok_or_else(|| self.unreadable(flag))
    }

    /// A whole number, 1 or more.
    fn count(&self, flag: &str) -> Result<Option<u64>, SettingsError> {
        match self.size(flag)? {
            Some(0) => Err(self.unreadable(flag)),
            size => Ok(size),
        }
    }

    fn switch(&self, flag: &str, default: bool) -> Result<bool, SettingsError> {
        match self.text(flag).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(self.unreadable(flag)),
        }
    }

    fn model_length(&self) -> Result<ModelLength, SettingsError> {
        match self.text("max-model-len") {
            None => Ok(ModelLength::OfModel),
            Some(LENGTH_BY_MEMORY | "auto") => Ok(ModelLength::ByMemory),
            Some(_) => Ok(self.count("max-model-len")?.map_or(ModelLength::OfModel, ModelLength::Tokens)),
        }
    }

    fn cache_element_bits(&self) -> Result<u64, SettingsError> {
        match self.text("kv-cache-dtype") {
            None | Some("auto" | "bfloat16" | "float16") => Ok(16),
            Some(text) if text.starts_with("fp8") || text.starts_with("int8") => Ok(8),
            Some(text) if text.starts_with("int4") || text == "nvfp4" => Ok(4),
            Some(_) => Err(self.unreadable("kv-cache-dtype")),
        }
    }

    fn refuse_several_cards(&self) -> Result<(), SettingsError> {
        for flag in ["tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"] {
            if let Some(value) = self.text(flag).filter(|value| *value != "1") {
                return Err(SettingsError::NotModelled { flag: flag.to_owned(), value: value.to_owned() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::preset, *};

    fn configuration(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(flag, value)| ((*flag).to_owned(), (*value).to_owned())).collect()
    }

    fn settings(pairs: &[(&str, &str)]) -> Result<EngineSettings, SettingsError> {
        EngineSettings::from_configuration(&configuration(pairs))
    }

    #[test]
    fn flags_are_read_as_the_engine_reads_them() {
        let read = settings(&[
            ("gpu-memory-utilization", "0.75"),
            ("max-num-seqs", "64"),
            ("max-num-batched-tokens", "8K"),
            ("kv-cache-memory-bytes", "2G"),
            ("max-model-len", "-1"),
            ("enforce-eager", "true"),
            ("enable-prefix-caching", "False"),
            ("kv-cache-dtype", "fp8_e4m3"),
            ("watermark", "0.05"),
            ("served-model-name", "chat"),
        ])
        .unwrap();
        assert_eq!(read.gpu_memory_utilization, Decimal::from_millionths(750_000));
        assert_eq!((read.max_num_seqs, read.max_num_batched_tokens), (Some(64), Some(8192)));
        assert_eq!((read.kv_cache_memory_bytes, read.max_model_len), (Some(2 << 30), ModelLength::ByMemory));
        assert!(read.enforce_eager && !read.enable_prefix_caching && read.enable_chunked_prefill);
        assert_eq!((read.cache_element_bits, read.watermark), (8, Decimal::from_millionths(50_000)));
        assert_eq!(read.arguments.len(), 10);
        assert_eq!(settings(&[]).unwrap(), EngineSettings::default());
    }

    #[test]
    fn what_no_engine_takes_is_refused_with_the_flag() {
        for (flag, value) in [
            ("gpu-memory-utilization", "much"),
            ("max-num-seqs", "0"),
            ("max-num-seqs", "-3"),
            ("max-num-batched-tokens", "1.5"),
            ("enforce-eager", "perhaps"),
            ("kv-cache-dtype", "fp1"),
        ] {
            let unreadable = SettingsError::Unreadable { flag: flag.to_owned(), value: value.to_owned() };
            assert_eq!(settings(&[(flag, value)]), Err(unreadable));
        }
        for (flag, value) in [("gpu-memory-utilization", "1.01"), ("gpu-memory-utilization", "0"), ("watermark", "1")] {
            let refused = settings(&[(flag, value)]).unwrap_err();
            assert!(matches!(refused, SettingsError::Contradiction(_)), "{flag} {value}: {refused}");
        }
        assert!(settings(&[("gpu-memory-utilization", "1")]).is_ok());
        assert!(matches!(settings(&[("tensor-parallel-size", "2")]), Err(SettingsError::NotModelled { .. })));
        assert!(settings(&[("tensor-parallel-size", "1")]).is_ok());
    }

    #[test]
    fn defaults_are_those_of_the_card() {
        let model = preset::llama_3_1_8b();
        let resolved = |card: &Card, pairs: &[(&str, &str)]| settings(pairs).unwrap().resolve(card, &model).unwrap();
        let large = resolved(&preset::h100_80gb(), &[]);
        assert_eq!((large.max_num_seqs, large.max_num_batched_tokens, large.max_model_len), (1024, 8192, 131_072));
        let small = resolved(&preset::l4_24gb(), &[("max-model-len", "8192")]);
        assert_eq!((small.max_num_seqs, small.max_num_batched_tokens, small.max_model_len), (256, 2048, 8192));
        let a100 = resolved(&preset::a100_40gb(), &[("max-num-active-seqs", "8")]);
        assert_eq!((a100.max_num_seqs, a100.running_max), (256, 8));
        let whole = resolved(&preset::l4_24gb(), &[("enable-chunked-prefill", "false"), ("max-model-len", "8192")]);
        assert_eq!(whole.max_num_batched_tokens, 8192);
    }

    #[test]
    fn contradictions_are_told_in_the_engines_words() {
        let resolve = |pairs: &[(&str, &str)]| {
            settings(pairs).unwrap().resolve(&preset::l40s_48gb(), &preset::llama_2_13b()).unwrap_err().to_string()
        };
        for (pairs, words) in [
            (
                vec![("max-num-seqs", "512"), ("max-num-batched-tokens", "256")],
                "must be greater than or equal to max_num_seqs",
            ),
            (vec![("max-model-len", "8192")], "is greater than the derived max_model_len"),
            (
                vec![("enable-chunked-prefill", "false"), ("max-num-batched-tokens", "512")],
                "is smaller than max_model_len",
            ),
            (vec![("max-num-active-seqs", "300")], "must be less than or equal to max_num_seqs"),
        ] {
            assert!(resolve(&pairs).contains(words), "{pairs:?}: {}", resolve(&pairs));
        }
    }
}
