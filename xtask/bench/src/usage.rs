//! What a process and its children use, from `/proc`.

use std::fs::{read_dir, read_to_string};

/// Processor time and memory.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu_ms: f64,
    /// Resident memory.
    pub rss_mib: f64,
}

/// The sum over a process and all that stand below it.
pub fn usage(root: u32) -> Usage {
    let processes: Vec<(u32, u32, f64)> = read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut total = Usage::default();
    let mut waiting = vec![root];
    while let Some(process) = waiting.pop() {
        if let Some((_, _, cpu_ms)) = processes.iter().find(|(id, ..)| *id == process) {
            total.cpu_ms += cpu_ms;
        }
        total.rss_mib += resident_mib(process);
        waiting.extend(processes.iter().filter(|(_, above, _)| *above == process).map(|p| p.0));
    }
    total
}

/// Id, parent and processor time, which the kernel counts in ticks of 10 ms on every common Linux.
fn stat(process: u32) -> Option<(u32, u32, f64)> {
    let text = read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The command's name stands in brackets and may hold spaces.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let ticks = number(11)? + number(12)?;
    Some((process, fields.get(1)?.parse().ok()?, ticks * 10.0))
}

fn resident_mib(process: u32) -> f64 {
    read_to_string(format!("/proc/{process}/status"))
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        })
        .map_or(0.0, |kib| kib / 1024.0)
}
