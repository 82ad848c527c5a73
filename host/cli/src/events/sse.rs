//! Server-sent events, as far as the live stream uses them: `id` and `data`. Its heartbeats are comments, which say nothing.

/// Longest message, in bytes: far beyond any event, so that a stranger's answer cannot fill the memory.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a stream brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Its id.
    pub(super) id: String,
    /// Its data.
    pub(super) data: String,
}

/// Takes bytes as they come and gives messages as they are whole.
#[derive(Default)]
pub(super) struct Parser {
    /// The beginning of a line.
    line: Vec<u8>,
    id: String,
    data: Option<String>,
}

impl Parser {
    /// Takes bytes; gives the messages that are whole now.
    ///
    /// # Errors
    /// What is no stream of ours.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Message>, &'static str> {
        let mut messages = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() > MESSAGE_BYTES_MAX {
                    return Err("a line of it is too long");
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = std::str::from_utf8(&line).map_err(|_| "it is not UTF-8")?;
            messages.extend(self.line(line.strip_suffix('\r').unwrap_or(line))?);
        }
        Ok(messages)
    }

    fn line(&mut self, line: &str) -> Result<Option<Message>, &'static str> {
        if line.is_empty() {
            let id = std::mem::take(&mut self.id);
            return Ok(self.data.take().map(|data| Message { id, data }));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.id),
            "data" => match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) if data.len() + value.len() < MESSAGE_BYTES_MAX => {
                    data.push('\n');
                    data.push_str(value);
                }
                Some(_) => return Err("a message of it is too long"),
            },
            // `event` says again what the data does; anything else is to be passed over.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_same_however_the_bytes_are_cut() {
        let stream =
            "id: 1.0\nevent: case.opened\ndata: {\"città\":1}\n\n: heartbeat\n\nid:2.1\r\ndata:a\r\ndata: b\r\n\r\nid: 3.0\ndata: unfinish";
        let expected =
            [Message { id: "1.0".to_owned(), data: "{\"città\":1}".to_owned() }, Message { id: "2.1".to_owned(), data: "a\nb".to_owned() }];
        for size in 1..=stream.len() {
            let mut parser = Parser::default();
            let messages: Vec<Message> = stream.as_bytes().chunks(size).flat_map(|chunk| parser.take(chunk).unwrap()).collect();
            assert_eq!(messages, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_refused_instead_of_kept() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; MESSAGE_BYTES_MAX / 2 + 1];
        assert!(parser.take(&piece).is_ok());
        assert!(parser.take(&piece).is_err());
    }
}
