//! Rows of a text as RFC 4180 has them: cells between separators, or between quotes in which a quote stands twice and a line may end.
//!
//! The crates for this take a quote that never ends for the end of the file, and say nothing of it; here that is what tells half an upload from a
//! whole one. So the rows are read by the hundred lines below, which know where everything stands.

/// Columns of a table.
pub(crate) const COLUMNS_MAX: usize = 256;

/// A cell's bytes, without the quotes around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether a quote in it stands twice.
    pub(crate) is_doubled: bool,
}

/// A row as it stands in the text.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The line it begins in, from 1.
    pub(crate) line: usize,
    pub(crate) cells: Vec<Cell>,
    /// Where it is no row, and why.
    pub(crate) fault: Option<(usize, &'static str)>,
    /// Where a quote begins that has no end.
    pub(crate) open_quote: Option<usize>,
}

/// Reads rows one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'a> {
    text: &'a [u8],
    separator: u8,
    at: usize,
    line: usize,
}

impl<'a> Rows<'a> {
    /// From a place between two rows, and the line it is in.
    pub(crate) fn from(text: &'a [u8], separator: u8, at: usize, line: usize) -> Self {
        Self { text, separator, at: at.min(text.len()), line }
    }

    /// Where the next row begins: a place to go on from, and its line.
    pub(crate) fn place(&self) -> (usize, usize) {
        (self.at, self.line)
    }

    /// The next row; false behind the last one. Empty lines are none.
    pub(crate) fn next(&mut self, row: &mut Row) -> bool {
        while self.is_line_end() {
            self.end_line();
        }
        if self.at == self.text.len() {
            return false;
        }
        row.cells.clear();
        (row.start, row.line, row.fault, row.open_quote) = (self.at, self.line, None, None);
        loop {
            let cell = if self.text.get(self.at) == Some(&b'"') { self.quoted(row) } else { self.plain() };
            if row.cells.len() < COLUMNS_MAX {
                row.cells.push(cell);
            } else {
                row.fault.get_or_insert((cell.start, "there are more than 256 columns"));
            }
            if self.text.get(self.at) != Some(&self.separator) {
                break;
            }
            self.at += 1;
        }
        row.end = self.at;
        if self.is_line_end() {
            self.end_line();
        }
        true
    }

    fn is_line_end(&self) -> bool {
        matches!(self.text.get(self.at), Some(b'\r' | b'\n'))
    }

    fn end_line(&mut self) {
        let bytes = if self.text[self.at..].starts_with(b"\r\n") { 2 } else { 1 };
        self.at += bytes;
        self.line += 1;
    }

    fn plain(&mut self) -> Cell {
        let start = self.at;
        self.skip_plain();
        Cell { start, end: self.at, is_doubled: false }
    }

    fn skip_plain(&mut self) {
        let separator = self.separator;
        let ends = |byte: &u8| *byte == separator || *byte == b'\n' || *byte == b'\r';
        self.at = self.text[self.at..].iter().position(ends).map_or(self.text.len(), |bytes| self.at + bytes);
    }

    fn quoted(&mut self, row: &mut Row) -> Cell {
        let open = self.at;
        let mut cell = Cell { start: open + 1, end: self.text.len(), is_doubled: false };
        self.at = cell.start;
        loop {
            let Some(quote) = self.text[self.at..].iter().position(|byte| *byte == b'"').map(|bytes| self.at + bytes) else {
                self.at = self.text.len();
                row.open_quote = Some(open);
                break;
            };
            self.at = quote + 1;
            if self.text.get(self.at) != Some(&b'"') {
                cell.end = quote;
                break;
            }
            cell.is_doubled = true;
            self.at += 1;
        }
        self.line += lines_in(&self.text[cell.start..cell.end]);
        let behind = self.at;
        self.skip_plain();
        if self.at != behind {
            row.fault.get_or_insert((behind, "a cell goes on behind its closing quote (a quote within a cell stands twice)"));
        }
        cell
    }
}

/// Line ends in a text.
fn lines_in(text: &[u8]) -> usize {
    let ends = |(at, byte): (usize, &u8)| *byte == b'\n' || (*byte == b'\r' && text.get(at + 1) != Some(&b'\n'));
    text.iter().enumerate().filter(|found| ends(*found)).count()
}

/// Lines from a row's beginning to a byte of it, and the byte at which that line begins.
pub(crate) fn line_of(text: &[u8], start: usize, at: usize) -> (usize, usize) {
    let before = &text[start..at.min(text.len())];
    let begins = before.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(start, |end| start + end + 1);
    (lines_in(before), begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row's line and cells.
    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        let (mut rows, mut row, mut all) = (Rows::from(text.as_bytes(), b';', 0, 1), Row::default(), Vec::new());
        while rows.next(&mut row) {
            assert_eq!((row.fault, row.open_quote), (None, None), "{text:?}");
            let cells = row.cells.iter().map(|cell| text[cell.start..cell.end].to_owned()).collect();
            all.push((row.line, cells));
        }
        all
    }

    fn row(line: usize, cells: &[&str]) -> (usize, Vec<String>) {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn rows_end_with_any_line_end_or_none_and_empty_lines_are_none() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a;b", "", "1;", ";2"].join(end);
            let expected = [row(1, &["a", "b"]), row(3, &["1", ""]), row(4, &["", "2"])];
            assert_eq!(read(&text), expected, "{text:?}");
            assert_eq!(read(&format!("{text}{end}")), expected);
        }
        assert_eq!(read(""), []);
        assert_eq!(read("\n\n"), []);
    }

    #[test]
    fn a_line_may_end_between_quotes_and_lines_are_counted_on() {
        assert_eq!(read("\"a\r\nb;c\";\"d\"\"e\"\nx;5\" pipe"), [row(1, &["a\r\nb;c", "d\"\"e"]), row(3, &["x", "5\" pipe"])]);
        assert_eq!(line_of(b"ab\r\ncd\ref", 0, 8), (2, 7));
    }

    #[test]
    fn a_quote_without_an_end_and_words_behind_one_are_told_with_their_place() {
        let mut found = Row::default();
        assert!(Rows::from(b"a;\"b\nc", b';', 0, 1).next(&mut found) && found.open_quote == Some(2));
        let mut rows = Rows::from(b"\"a\" x;b\nc;d", b';', 0, 1);
        assert!(rows.next(&mut found) && found.fault.is_some_and(|(at, _)| at == 3) && found.cells.len() == 2);
        assert!(rows.next(&mut found) && found.fault.is_none() && found.line == 2, "the next row is read");
    }

    #[test]
    fn a_row_of_separators_alone_takes_no_room() {
        let (text, mut row) = (vec![b';'; 1 << 20], Row::default());
        assert!(Rows::from(&text, b';', 0, 1).next(&mut row));
        assert_eq!((row.cells.len(), row.fault), (COLUMNS_MAX, Some((COLUMNS_MAX, "there are more than 256 columns"))));
    }
}
