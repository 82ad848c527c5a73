//! YAML as a tree in which every value and every key knows its line. Anchors, aliases and tags are left out of it on purpose: a mapping is read
//! by people, and means what stands there.

use granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::problem::{Problem, Problems};

/// Lists and mappings within each other. A mapping needs eight; a body may need more.
const DEPTH_MAX: usize = 32;
/// Bytes of a mapping: the host takes no larger settings.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// A value and its line.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// A key and its line.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) line: usize,
    pub(crate) text: String,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Nothing,
    Scalar {
        text: String,
        /// Written without quotes: `1`, `true` and `null` mean themselves.
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Nothing => "nothing",
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads a text; a key that stands twice is told among the problems.
pub(crate) fn read(text: &str, problems: &Problems) -> Result<Node, Problem> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Problem { line: 1, message: format!("the mapping has {} bytes; at most {TEXT_BYTES_MAX} are taken", text.len()) });
    }
    let mut reader = Reader { events: Parser::new_from_str(text), problems };
    loop {
        let (event, line) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Node { line, value: Value::Nothing }),
            event => {
                let root = reader.node(event, line, 0)?;
                loop {
                    match reader.next()? {
                        (Event::DocumentEnd, _) => {}
                        (Event::StreamEnd, _) => return Ok(root),
                        (_, line) => return Err(Problem { line, message: "a mapping is one document; a second one begins here".into() }),
                    }
                }
            }
        }
    }
}

struct Reader<'text, 'problems> {
    events: Parser<'text, granit_parser::StrInput<'text>>,
    problems: &'problems Problems,
}

impl<'text> Reader<'text, '_> {
    fn next(&mut self) -> Result<(Event<'text>, usize), Problem> {
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, line_of(&span))),
            Some(Err(error)) => {
                Err(Problem { line: error.marker().line(), message: format!("this cannot be read as YAML: {}", error.info()) })
            }
            None => Ok((Event::StreamEnd, 1)),
        }
    }

    fn node(&mut self, event: Event<'text>, line: usize, depth: usize) -> Result<Node, Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem { line, message: format!("lists and mappings stand in each other more than {DEPTH_MAX} deep") });
        }
        let value = match event {
            Event::Scalar(text, style, 0, None) => match style {
                ScalarStyle::Plain if matches!(text.as_ref(), "" | "~" | "null") => Value::Nothing,
                style => Value::Scalar { text: text.into_owned(), plain: matches!(style, ScalarStyle::Plain) },
            },
            Event::SequenceStart(_, 0, None) => self.list(depth)?,
            Event::MappingStart(_, 0, None) => self.map(depth)?,
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {
                return Err(Problem {
                    line,
                    message: "anchors (&), aliases (*) and tags (!) are not used in a mapping; write it out".into(),
                });
            }
            _ => return Err(Problem { line, message: "a value is missing here".into() }),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, line) => items.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, line) = self.next()?;
            let text = match event {
                Event::MappingEnd => return Ok(Value::Map(entries)),
                Event::Scalar(text, _, 0, None) => text.into_owned(),
                _ => return Err(Problem { line, message: "a key is a text".into() }),
            };
            if let Some((first, _)) = entries.iter().find(|(key, _)| key.text == text) {
                self.problems.add(line, format!("`{text}` stands here a second time; the first is in line {}", first.line));
            }
            let (event, value_line) = self.next()?;
            let node = self.node(event, value_line, depth + 1)?;
            entries.push((Key { line, text }, node));
        }
    }
}

fn line_of(span: &Span) -> usize {
    span.start.line()
}
