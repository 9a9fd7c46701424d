//! `sealpost report …`

use std::path::Path;

use clap::Subcommand;

use super::{Failure, command, date};
use crate::service::commands::{self, Command, Outcome};

#[derive(Subcommand)]
pub enum Report {
    /// Show what users have reported, the newest first.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
}

impl Report {
    pub fn run(self, config: &Path) -> Result<(), Failure> {
        let Self::List { limit } = self;
        if let Outcome::Reports { reports } = command(config, Command::ListReports { limit })? {
            if reports.is_empty() {
                println!("Nothing has been reported.");
            }
            reports.iter().for_each(|report| println!("{}", line(report)));
        }
        Ok(())
    }
}

fn line(report: &commands::Report) -> String {
    let about: Vec<&str> = [&report.user_id, &report.room_id, &report.event_id]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    // What somebody typed may hold anything that a terminal acts upon.
    let reason: String = report.reason.chars().filter(|c| !c.is_control()).collect();
    let (when, about) = (date::format(report.created_at), about.join(" "));
    format!("{when}  {} reports {about}: {reason}", report.reporter)
}
