//! What test runners say of a test that fails, kept, so that it stands once more where one looks: at the end.

/// Lines from the one that names the failed test.
const LINES_EACH: usize = 24;
/// Of one step: what is more is further up.
const LINES_AT_MOST: usize = 120;

/// The part of a step's output that tells of failed tests.
#[derive(Default)]
pub struct Failures {
    told: Vec<String>,
    left: usize,
}

impl Failures {
    /// Reads the next line of what a runner prints, without colours.
    pub fn read_line(&mut self, line: &str) {
        if is_failure(line) {
            self.left = LINES_EACH;
        } else if is_next(line) {
            self.left = 0;
        }
        if self.left > 0 && self.told.len() < LINES_AT_MOST {
            self.left -= 1;
            self.told.push(line.trim_end().to_owned());
        }
    }

    /// All of it.
    pub fn into_lines(self) -> Vec<String> {
        self.told
    }
}

/// Of node, cargo, vitest, and our own scripts.
fn is_failure(line: &str) -> bool {
    let line = line.trim();
    let is_node =
        line.starts_with("not ok ") && !line.contains("# TODO") && !line.contains("# SKIP");
    let is_cargo = line.starts_with("---- ") && line.ends_with(" stdout ----");
    is_node || is_cargo || line.starts_with("FAIL ") || line.starts_with("FAILED ")
}

fn is_next(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("ok ") || line.starts_with("# Subtest: ") || line.starts_with("test result: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Vec<String> {
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.read_line(line));
        failures.into_lines()
    }

    #[test]
    fn what_is_said_of_failed_tests_is_kept_and_nothing_else() {
        let node = "# Subtest: a\nok 1 - a\n  ---\n  ...\n# Subtest: b\nnot ok 2 - b\n  error: gone\n  ...\n\
                    # Subtest: c\nok 3 - c\nnot ok 4 - d # TODO later\n  error: known\n# fail 1";
        assert_eq!(read(node), ["not ok 2 - b", "  error: gone", "  ..."]);
        let cargo = "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nassertion failed\n\n\
                     test result: FAILED. 1 passed; 1 failed";
        assert_eq!(read(cargo), ["---- b stdout ----", "assertion failed", ""]);
        assert_eq!(read(" FAIL  src/a.test.ts > b\nError: gone")[0], " FAIL  src/a.test.ts > b");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = format!("not ok 1 - a\n{}", "more\n".repeat(1000));
        assert_eq!(read(&long).len(), LINES_EACH);
        assert_eq!(read(&long.repeat(50)).len(), LINES_AT_MOST);
    }
}
