//! The generated side of the contract.
//!
//! WIT has no optional exports, so `wit/` has one world per capability and there is one `generate!` per world. They share one set of Rust types:
//! `shared` generates `types` and the host's imports once, the others are told to use those. The component's type is put into the
//! binary by the export macros, not here, so a connector's component exports exactly the capabilities it names in [`crate::export!`].
#![allow(missing_docs, unreachable_pub, clippy::all)]

pub mod shared {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package sportello:sdk@0.1.0;
            world shared {
                import sportello:connector/types@0.1.0;
                import sportello:connector/diagnostics@0.1.0;
                import sportello:connector/state@0.1.0;
                import sportello:connector/credentials@0.1.0;
                import sportello:connector/headroom@0.1.0;
            }
        ",
        additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize],
        generate_all,
    });
}

macro_rules! capability {
    ($module:ident, $world:literal, $bindings:literal $(, $import:literal: $shared:ident)*) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit",
                world: $world,
                with: {
                    "sportello:connector/types@0.1.0": crate::bindings::shared::sportello::connector::types,
                    $($import: crate::bindings::shared::sportello::connector::$shared,)*
                },
                additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize],
                pub_export_macro: true,
                default_bindings_module: $bindings,
            });
        }
    };
}

capability!(
    base, "sportello:connector/base", "sportello_sdk::bindings::base",
    "sportello:connector/diagnostics@0.1.0": diagnostics,
    "sportello:connector/state@0.1.0": state,
    "sportello:connector/credentials@0.1.0": credentials,
    "sportello:connector/headroom@0.1.0": headroom
);
capability!(webhook, "sportello:connector/webhook-connector", "sportello_sdk::bindings::webhook");
capability!(poll, "sportello:connector/poll-connector", "sportello_sdk::bindings::poll");
capability!(publish, "sportello:connector/publish-connector", "sportello_sdk::bindings::publish");
capability!(find, "sportello:connector/find-connector", "sportello_sdk::bindings::find");
capability!(recheck, "sportello:connector/recheck-connector", "sportello_sdk::bindings::recheck");
capability!(configuration, "sportello:connector/configuration-connector", "sportello_sdk::bindings::configuration");
capability!(crm, "sportello:connector/crm-connector", "sportello_sdk::bindings::crm");
