//! Where the proof of something written stands: in the answer to it, or in the record that is found later.

use sportello_sdk::Receipt;
use sportello_sdk::http::Response;

use super::list;
use crate::cast::Cast;
use crate::field::Field;
use crate::moment::Format;
use crate::pointer::{self, Json, Pointer};
use crate::problem::Problems;
use crate::section::Section;
use crate::yaml::{Node, Value};

/// Where the proof stands.
#[derive(Debug, Clone)]
pub(crate) struct ReceiptMapping {
    id: Id,
    url: Option<Pointer>,
    at: Option<Field>,
}

#[derive(Debug, Clone)]
enum Id {
    At(Pointer),
    /// The last step of the `Location` header.
    Location,
}

impl ReceiptMapping {
    /// Reads where it stands; only an answer has headers.
    pub(crate) fn read(node: &Node, of_answer: bool, problems: &Problems) -> Option<Self> {
        let section = Section::open(node, "`receipt`", &["id", "url", "at"], problems)?;
        let url = section.get("url").map(|node| list::whole_or_pointer(node, "`url`", problems));
        let at = section.get("at").map(|node| Field::read(node, "`at`", Cast::Date(Format::Rfc3339), problems));
        if let Some((Some(field), node)) = at.as_ref().zip(section.get("at"))
            && !field.is_date()
        {
            problems.add(node.line, "`at` of a receipt is a `cast: date`");
        }
        let node = section.need("id")?;
        let id = match &node.value {
            Value::Scalar { text, .. } if text == "location" && of_answer => Id::Location,
            _ => Id::At(list::whole_or_pointer(node, "`id` of a receipt", problems)?),
        };
        Some(Self { id, url: super::flat(url)?, at: super::flat(at)? })
    }

    /// The proof in an answer.
    pub(crate) fn of_answer(&self, response: &Response) -> Option<Receipt> {
        self.receipt(pointer::whole(&response.body).ok(), response.header("location"))
    }

    /// The proof in a record.
    pub(crate) fn of_record(&self, record: &Json) -> Option<Receipt> {
        self.receipt(Some(record), None)
    }

    fn receipt(&self, record: Option<&Json>, location: Option<&str>) -> Option<Receipt> {
        let id = match &self.id {
            Id::At(pointer) => pointer.text(record?)?.into_owned(),
            Id::Location => location?.trim_end_matches('/').rsplit('/').next()?.to_owned(),
        };
        let url = record.and_then(|record| self.url.as_ref()?.text(record));
        let at = record.and_then(|record| self.at.as_ref()?.values(record).first());
        let receipt = (!id.is_empty()).then(|| Receipt::new(id))?;
        let receipt = url.into_iter().fold(receipt, |receipt, url| receipt.url(url));
        Some(at.into_iter().fold(receipt, Receipt::at))
    }
}
