//! The lines of an engine that is asked to end.

use super::{
    super::units::Micros,
    line::{EngineLog, Process, Severity},
};

/// Everything that an engine prints from a SIGTERM to the end of its container. It reports a dead engine, which is its own
/// work: whoever reads it must see the request to end first.
pub(in super::super) fn stop_log(at: Micros) -> EngineLog {
    let mut log = EngineLog::default();
    for (place, message) in [
        ("launcher.py:254", "[shutdown] API server: shutdown triggered"),
        ("launcher.py:270", "[shutdown] API server: stopping engine client mode=abort timeout=0s"),
        ("utils.py:628", "[shutdown] Process manager: send sigterm to process EngineCore"),
        ("core_client.py:777", "[shutdown] MPClient: complete"),
    ] {
        log.say(at, Process::ApiServer, Severity::Info, place, message);
    }
    for message in [
        "AsyncLLM output_handler failed.",
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.",
    ] {
        log.say(at, Process::ApiServer, Severity::Error, "async_llm.py:906", message);
    }
    log.print(at, "INFO:     Shutting down");
    log.print(at, "INFO:     Waiting for application shutdown.");
    log.print(at, "INFO:     Application shutdown complete.");
    log
}
