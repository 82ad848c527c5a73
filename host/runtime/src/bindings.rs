//! The contract in Rust, generated from `wit/`.
//!
//! WIT has no optional exports: a connector is built for the union of small worlds, one per capability. The host's side is one world that
//! exports them all, so that every record exists once in Rust. Nothing ever asks for that whole world: `capabilities.rs` loads the indices of
//! those interfaces a component really has.
//!
//! Everything here is a plain value (records, variants, enums, strings); `serde` is derived so that the server can show a manifest, park a
//! delivery or journal an effect without a mirror of each type.

#![allow(missing_docs, unreachable_pub)] // The documentation of these items stands in wit/, where integrators read it.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package sportello:host;

        world connector {
            import sportello:connector/diagnostics@0.1.0;
            import sportello:connector/state@0.1.0;
            import sportello:connector/credentials@0.1.0;
            import sportello:connector/headroom@0.1.0;
            export sportello:connector/description@0.1.0;
            export sportello:connector/webhook@0.1.0;
            export sportello:connector/poll@0.1.0;
            export sportello:connector/publish@0.1.0;
            export sportello:connector/find@0.1.0;
            export sportello:connector/recheck@0.1.0;
            export sportello:connector/configuration@0.1.0;
            export sportello:connector/crm@0.1.0;
        }
    ",
    world: "sportello:host/connector",
    imports: { default: async | trappable },
    exports: { default: async },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});
