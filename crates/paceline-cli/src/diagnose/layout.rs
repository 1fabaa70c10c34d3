//! Lines of text that fit into 80 columns.

use textwrap::{Options, WordSplitter};

/// Columns of a line.
const WIDTH: usize = 80;
/// Columns of the names at the left.
const NAME: usize = 12;

/// Text that grows by lines.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// A line as it is.
    pub(super) fn line(&mut self, line: &str) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// An empty line, if there is none yet.
    pub(super) fn gap(&mut self) {
        if !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    /// A text, wrapped, later lines under the first.
    pub(super) fn paragraph(&mut self, first: &str, later: usize, text: &str) {
        let later = " ".repeat(later);
        let options = Options::new(WIDTH)
            .initial_indent(first)
            .subsequent_indent(&later)
            .word_splitter(WordSplitter::NoHyphenation);
        for line in textwrap::wrap(text, options) {
            self.line(&line);
        }
    }

    /// A name and what there is to say of it.
    pub(super) fn entry(&mut self, name: &str, text: &str) {
        self.paragraph(&format!("  {name:<NAME$}"), NAME + 2, text);
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use textwrap::core::display_width;

    #[test]
    fn nothing_is_wider_than_a_terminal() {
        let mut lines = Lines::default();
        let long = format!("{} {}", "word ".repeat(40), "x".repeat(200));
        lines.entry("name", &long);
        let text = lines.into_string();
        assert!(
            text.lines().all(|line| display_width(line) <= WIDTH),
            "{text}"
        );
        let rejoined: String = text.split_whitespace().skip(1).collect();
        assert_eq!(rejoined, long.replace(' ', ""), "nothing is lost");
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.starts_with(&" ".repeat(14)))
        );
    }
}
