//! A connector that was read, checked and compiled, and may be made live on channels.

use std::fmt;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;
use wasmtime::component::InstancePre;

use crate::capabilities::{Capabilities, Indices};
use crate::contract::Manifest;
use crate::digest::Digest;
use crate::guest::GuestData;

/// A prepared connector. Cheap to clone. Preparing makes nothing live.
#[derive(Clone)]
pub struct Prepared {
    inner: Arc<Inner>,
}

struct Inner {
    digest: Digest,
    manifest: Manifest,
    label: String,
    capabilities: Capabilities,
    schema: Validator,
    schema_document: Value,
    pre: InstancePre<GuestData>,
    indices: Indices,
}

impl Prepared {
    pub(crate) fn new(
        digest: Digest,
        manifest: Manifest,
        capabilities: Capabilities,
        schema: Validator,
        pre: InstancePre<GuestData>,
        indices: Indices,
    ) -> Self {
        let label = format!("{} {}", manifest.name, manifest.version);
        // The schema was compiled from this text, so it is JSON.
        let schema_document = serde_json::from_str(&manifest.configuration_schema).unwrap_or_default();
        Self { inner: Arc::new(Inner { digest, manifest, label, capabilities, schema, schema_document, pre, indices }) }
    }

    /// The digest of the connector's file.
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// Name and version, for messages.
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// What it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.inner.capabilities
    }

    /// The JSON Schema of a channel's settings.
    pub fn schema_document(&self) -> &Value {
        &self.inner.schema_document
    }

    pub(crate) fn schema(&self) -> &Validator {
        &self.inner.schema
    }

    pub(crate) fn pre(&self) -> &InstancePre<GuestData> {
        &self.inner.pre
    }

    pub(crate) fn indices(&self) -> &Indices {
        &self.inner.indices
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Prepared")
            .field("connector", &self.inner.label)
            .field("digest", &self.inner.digest)
            .field("capabilities", &self.inner.capabilities)
            .finish_non_exhaustive()
    }
}
