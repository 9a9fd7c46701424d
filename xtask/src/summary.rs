//! Running a list of steps and telling at the end how each went.

use std::time::{Duration, Instant};

use crate::{Counts, Result};

/// A named part of `test` or `lint`.
pub type Step = (&'static str, fn() -> Result<Counts>);

/// Runs the chosen steps (all, when none is named), prints one line for each and the sum.
pub fn run_steps(steps: &[Step], chosen: &[String]) -> Result<()> {
    if let Some(unknown) = chosen.iter().find(|name| !steps.iter().any(|(step, _)| step == name)) {
        let known: Vec<_> = steps.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no step {unknown}; there are: {}", known.join(" ")));
    }
    let mut lines = Vec::new();
    let mut total = Counts::default();
    for (name, step) in steps {
        if !chosen.is_empty() && !chosen.iter().any(|wanted| wanted == name) {
            continue;
        }
        let start = Instant::now();
        let (counts, trouble) = match step() {
            Ok(counts) => (counts, String::new()),
            Err(message) => (Counts::failed(&message), message),
        };
        lines.push(line(name, &counts, start.elapsed(), &trouble));
        total += counts;
    }
    if !total.told.is_empty() {
        println!("\nWhat failed, once more:\n{}", total.told.join("\n"));
    }
    println!("\n{}\n\n{} passed, {} failed", lines.join("\n"), total.passed, total.failed);
    if total.failed == 0 { Ok(()) } else { Err("not everything passed".to_owned()) }
}

fn line(name: &str, counts: &Counts, took: Duration, trouble: &str) -> String {
    let Counts { passed, failed, .. } = counts;
    let seconds = took.as_secs();
    let line = format!("{name:<10} {passed:>5} ok {failed:>4} failed {seconds:>5} s");
    if trouble.is_empty() { line } else { format!("{line}  {trouble}") }
}
