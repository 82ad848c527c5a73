//! What can go wrong outside of a call: starting the runtime, preparing a connector, configuring a channel.
//!
//! Every message says what happened, where, and what to do. What goes wrong in a call is a [`CallFailure`](crate::CallFailure).

use std::path::PathBuf;

use crate::contract_check::ContractFault;
use crate::manifest::ManifestFault;

/// Why the runtime, a connector or a channel could not be set up. Nothing has changed by the attempt.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// wasmtime refused its configuration, or the system the memory it reserves.
    #[error("the WebAssembly engine could not start: {0:#}; if address space is short, lower the pool's calls_max")]
    Engine(wasmtime::Error),

    /// The cache folder cannot be used.
    #[error("the folder of compiled connectors {}: {problem}", folder.display())]
    CacheFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },

    /// The file is larger than is accepted.
    #[error("the component has {bytes} bytes, at most {limit_bytes} are accepted: strip it, or raise component_bytes_max")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },

    /// The bytes are not WebAssembly at all.
    #[error("this is not a WebAssembly file: it begins with {begins}; give the .wasm file the build made")]
    NotWasm {
        /// The first bytes, in hexadecimal.
        begins: String,
    },

    /// A core module, not a component.
    #[error(
        "this is a core WebAssembly module, not a component: in Rust name wasm-component-ld as the linker of wasm32-unknown-unknown, or build for \
         wasm32-wasip2; in other languages make a component of it with `wasm-tools component new`"
    )]
    CoreModule,

    /// It is a component, but not a valid one.
    #[error("the component does not compile: {0:#}")]
    Compile(wasmtime::Error),

    /// It compiles, but it is not a connector of this contract.
    #[error("the component is not a connector this host can run: {0}")]
    Contract(#[from] ContractFault),

    /// `describe` failed.
    #[error("the connector's description could not be read: {0}")]
    Describe(#[source] Box<crate::CallFailure>),

    /// `describe` answered, but the manifest is no good.
    #[error("the manifest of {name}: {fault}")]
    Manifest {
        /// The connector, as it calls itself.
        name: String,
        /// What is wrong where.
        fault: ManifestFault,
    },

    /// The settings do not fit the connector's schema.
    #[error("channel {channel}: the setting {pointer} does not fit {connector}: {problem}; allowed there: {allowed}")]
    Settings {
        /// The channel.
        channel: String,
        /// The connector.
        connector: String,
        /// JSON pointer of the value; `(the settings themselves)` for the whole.
        pointer: String,
        /// What is wrong with it.
        problem: String,
        /// The part of the schema that speaks of it.
        allowed: String,
    },

    /// The connector asks for origins the operator has not granted.
    #[error(
        "channel {channel}: {connector} asks for {} which is not granted; to grant it, write into the channel's configuration:\n{line}",
        missing.join(" and ")
    )]
    NotGranted {
        /// The channel.
        channel: String,
        /// The connector.
        connector: String,
        /// The origins missing.
        missing: Vec<String>,
        /// The configuration line that would grant everything asked for.
        line: String,
    },

    /// A credential is not bound, or not wholly, or bound to fields it does not have.
    #[error("channel {channel}: the credential {credential} of {connector}: {problem}")]
    Credential {
        /// The channel.
        channel: String,
        /// The connector.
        connector: String,
        /// The credential.
        credential: String,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A folder the connector asks for is not granted, or not there.
    #[error("channel {channel}: {connector} asks to read the folder {folder}: {problem}")]
    Folder {
        /// The channel.
        channel: String,
        /// The connector.
        connector: String,
        /// The folder.
        folder: String,
        /// What is wrong and what to do.
        problem: String,
    },

    /// Outgoing HTTP could not be set up.
    #[error("outgoing HTTP of {of}: {problem}")]
    Http {
        /// The channel or runtime.
        of: String,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A task of the host itself was cut off, as happens while the process ends.
    #[error("the preparation was cut off because the process is ending")]
    Stopped,
}
