//! How many tests passed and failed, read from what the test runners print.

use std::ops::AddAssign;

/// Tests passed and failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u32,
    pub failed: u32,
    /// What was printed of those that failed.
    pub told: Vec<String>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.told.extend(other.told);
    }
}

impl Counts {
    /// Checks that have no tests of their own, and went well.
    pub const fn passed(passed: u32) -> Self {
        Self { passed, failed: 0, told: Vec::new() }
    }

    /// One check that failed, and why.
    pub fn failed(why: &str) -> Self {
        Self { passed: 0, failed: 1, told: vec![why.to_owned()] }
    }

    /// Adds what a closing line, without colours, of cargo, node, vitest or one of our own scripts reports.
    pub fn read_line(&mut self, line: &str) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.passed += number_before(rest, "passed");
            self.failed += number_before(rest, "failed");
        } else if let Some(rest) = line.strip_prefix("Tests ") {
            self.passed += number_before(rest, "passed");
            self.failed += number_before(rest, "failed");
        } else if let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
            self.passed += number_after(rest, "pass");
            self.failed += number_after(rest, "fail");
        } else if is_plain(line) {
            self.passed += number_before(line, "passed");
            self.failed += number_before(line, "failed");
        }
    }
}

/// The line without terminal escapes: with `CI` set, vitest prints colours into a pipe too.
pub fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// `N passed, N failed`, and nothing else.
fn is_plain(line: &str) -> bool {
    let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    matches!(words.as_slice(), [passed, "passed", failed, "failed"]
        if passed.parse::<u32>().is_ok() && failed.parse::<u32>().is_ok())
}

fn number_before(text: &str, word: &str) -> u32 {
    let words: Vec<&str> = text.split([' ', ';', ',', '|']).filter(|w| !w.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

fn number_after(text: &str, word: &str) -> u32 {
    text.strip_prefix(word).and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> (u32, u32) {
        let mut counts = Counts::default();
        lines.lines().for_each(|line| counts.read_line(&without_colours(line)));
        (counts.passed, counts.failed)
    }

    #[test]
    fn closing_lines_of_every_runner_are_added_up() {
        assert_eq!(read("test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured"), (4, 0));
        assert_eq!(read("test result: FAILED. 4 passed; 2 failed; 1 ignored"), (4, 2));
        assert_eq!(read("# tests 3\n# pass 3\n# fail 0"), (3, 0));
        assert_eq!(read("ℹ pass 3\nℹ fail 1"), (3, 1));
        assert_eq!(read(" Test Files  2 passed (2)\n      Tests  1 failed | 4 passed (5)"), (4, 1));
        assert_eq!(
            read("\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m6 passed\u{1b}[39m"),
            (6, 0)
        );
        assert_eq!(read("7 passed, 1 failed"), (7, 1));
    }

    #[test]
    fn lines_that_only_mention_the_words_do_not_count() {
        assert_eq!(read("test send ... ok\nthe job passed 3 times, 2 failed it"), (0, 0));
    }
}
