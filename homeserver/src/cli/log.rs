//! Logs to standard error.

use std::io;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat, LogLevel};

pub fn start(log: &Log) {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // The libraries below say much that is of no use to who runs the server.
    let quiet = match log.level {
        LogLevel::Error => "error",
        _ => "warn",
    };
    let filter =
        EnvFilter::new(format!("{quiet},sealpost_homeserver={level},sealpost_federation={level}"));
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match log.format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        LogFormat::Json => builder.json().init(),
    }
}
