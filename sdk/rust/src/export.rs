//! The export macro.

/// Makes a component out of a connector: exports `description` and exactly the capabilities named, which are any of `webhook`, `poll`,
/// `publish`, `find`, `recheck`, `crm`, and `configuration`.
///
/// ```ignore
/// sportello_sdk::export!(Facebook: webhook, publish, find);
/// ```
///
/// Once per crate, beside the type. On other targets than WebAssembly it only checks that the traits are implemented.
#[macro_export]
macro_rules! export {
    ($connector:ident: $($capability:ident),+ $(,)?) => {
        $crate::__export_capability!($connector, description);
        $($crate::__export_capability!($connector, $capability);)+
    };
    ($($anything:tt)*) => {
        ::core::compile_error!("write export!(YourType: webhook, publish); with at least one of webhook, poll, publish, find, recheck, crm, configuration");
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_capability {
    ($connector:ident, description) => {
        $crate::__export_capability!(@ $connector, Description, base);
    };
    ($connector:ident, webhook) => {
        $crate::__export_capability!(@ $connector, Webhook, webhook);
    };
    ($connector:ident, poll) => {
        $crate::__export_capability!(@ $connector, Poll, poll);
    };
    ($connector:ident, publish) => {
        $crate::__export_capability!(@ $connector, Publish, publish);
    };
    ($connector:ident, find) => {
        $crate::__export_capability!(@ $connector, Find, find);
    };
    ($connector:ident, recheck) => {
        $crate::__export_capability!(@ $connector, Recheck, recheck);
    };
    ($connector:ident, configuration) => {
        $crate::__export_capability!(@ $connector, Configuration, configuration);
    };
    ($connector:ident, crm) => {
        $crate::__export_capability!(@ $connector, Crm, crm);
    };
    (@ $connector:ident, $trait:ident, $bindings:ident) => {
        const _: () = {
            const fn implemented<T: $crate::$trait>() {}
            implemented::<$connector>()
        };
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::$bindings::export!($connector with_types_in $crate::bindings::$bindings);
    };
    ($connector:ident, $unknown:ident) => {
        ::core::compile_error!(::core::concat!(
            "`",
            ::core::stringify!($unknown),
            "` is no capability; there are webhook, poll, publish, find, recheck, crm, configuration"
        ));
    };
}
