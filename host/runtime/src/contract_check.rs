//! Whether a compiled component speaks this host's contract: which interface, which function, what was expected, what was found.
//!
//! Only `sportello:*` is compared by hand; WASI is linked whole, and what of it does not fit is reported as the linker says it.

use semver::Version;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Lift, Lower, Type};
use wasmtime::{Engine, component};

use crate::capabilities::Capabilities;
use crate::contract::{
    ConnectorError, Contact, ContactPage, Context, Effect, Identifier, Manifest, Page, Presence, Receipt, SettingsProblem, Thing,
    WebhookOutcome, WebhookRequest,
};

/// The package every interface of the contract belongs to.
const PACKAGE: &str = "sportello:connector/";
/// The contract's version this host implements.
pub const CONTRACT_VERSION: Version = Version::new(0, 1, 0);
/// What a connector may import of the contract.
const IMPORTS: [&str; 5] = ["types", "diagnostics", "state", "credentials", "headroom"];
/// What it may export.
const EXPORTS: [&str; 8] = ["description", "webhook", "poll", "publish", "find", "recheck", "crm", "configuration"];

/// How a component differs from the contract.
#[derive(Debug, thiserror::Error)]
pub enum ContractFault {
    /// Another version of the contract.
    #[error(
        "it {direction} {interface} in version {found}, this host speaks {expected}: {advice}",
        advice = if found > expected { "use a newer host, or build the connector against the contract of this one" } else { "build the connector against the newer contract" }
    )]
    Version {
        /// `imports` or `exports`.
        direction: &'static str,
        /// The interface.
        interface: String,
        /// Its version in the component.
        found: Box<Version>,
        /// The host's.
        expected: Box<Version>,
    },
    /// An interface nobody knows.
    #[error("it {direction} {interface}, which this host does not know; it knows {known}")]
    Unknown {
        /// `imports` or `exports`.
        direction: &'static str,
        /// The interface with its package.
        interface: String,
        /// What is known.
        known: String,
    },
    /// There is no `description`.
    #[error("it does not export sportello:connector/description@{CONTRACT_VERSION}, which every connector must; it exports {found}")]
    NoDescription {
        /// What it exports instead.
        found: String,
    },
    /// It describes itself but can do nothing.
    #[error("it exports no capability: none of webhook, poll, publish, find, recheck, crm")]
    NoCapability,
    /// A function of an exported interface is missing.
    #[error("its {interface} has no function {function}; expected `{expected}`, found {found}")]
    NoFunction {
        /// The interface.
        interface: &'static str,
        /// The function.
        function: &'static str,
        /// Its declaration in the contract.
        expected: &'static str,
        /// The names that are there.
        found: String,
    },
    /// A function has another type.
    #[error("its {interface}.{function} has another type: expected `{expected}`, found `{found}` ({detail})")]
    Type {
        /// The interface.
        interface: &'static str,
        /// The function.
        function: &'static str,
        /// Its declaration in the contract.
        expected: &'static str,
        /// What it is in the component.
        found: String,
        /// Where they part.
        detail: String,
    },
    /// An import cannot be satisfied.
    #[error("an import cannot be satisfied: {0:#}; a connector may import {known} and WASI 0.2", known = list(IMPORTS))]
    Link(wasmtime::Error),
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// Compares a component with the contract. What it imports of WASI is left to the linker.
pub(crate) fn check(engine: &Engine, compiled: &Component) -> Result<Capabilities, ContractFault> {
    let component_type = compiled.component_type();
    for (import, _) in component_type.imports(engine) {
        if import.starts_with(PACKAGE) {
            interface("imports", import, &IMPORTS)?;
        } else if !import.starts_with("wasi:") {
            return Err(ContractFault::Unknown {
                direction: "imports",
                interface: import.to_owned(),
                known: format!("wasi:*@0.2 and, of {PACKAGE}, {}", list(IMPORTS)),
            });
        }
    }

    let mut checker = Checker { engine, cx: component_type.instance_type(), interface: "", functions: Vec::new() };
    let mut capabilities = Capabilities::default();
    let mut described = false;
    let mut exported = Vec::new();
    for (export, item) in component_type.exports(engine) {
        exported.push(export);
        if !export.starts_with(PACKAGE) {
            continue; // something for other hosts
        }
        let name = interface("exports", export, &EXPORTS)?;
        checker.enter(name, &item.ty);
        match name {
            "description" => {
                described = true;
                checker.function::<(), (Manifest,)>("describe", "describe: func() -> manifest")?;
            }
            "webhook" => {
                capabilities.webhook = true;
                checker.function::<(&Context, &[WebhookRequest]), (Vec<Result<WebhookOutcome, ConnectorError>>,)>(
                    "handle",
                    "handle: func(context: context, requests: list<request>) -> list<result<outcome, error>>",
                )?;
            }
            "poll" => {
                capabilities.poll = true;
                checker.function::<(&Context, Option<&str>), (Result<Page, ConnectorError>,)>(
                    "poll",
                    "poll: func(context: context, cursor: option<string>) -> result<page, error>",
                )?;
            }
            "publish" => {
                capabilities.publish = true;
                checker.function::<(&Context, &[Effect]), (Vec<Result<Receipt, ConnectorError>>,)>(
                    "publish",
                    "publish: func(context: context, effects: list<effect>) -> list<result<receipt, error>>",
                )?;
            }
            "find" => {
                capabilities.find = true;
                checker.function::<(&Context, &Effect), (Result<Presence, ConnectorError>,)>(
                    "find",
                    "find: func(context: context, effect: effect) -> result<presence, error>",
                )?;
            }
            "recheck" => {
                capabilities.recheck = true;
                checker.function::<(&Context, &[Thing]), (Result<Vec<String>, ConnectorError>,)>(
                    "gone",
                    "gone: func(context: context, things: list<thing>) -> result<list<string>, error>",
                )?;
            }
            "configuration" => {
                capabilities.configuration = true;
                checker.function::<(&Context,), (Vec<SettingsProblem>,)>("check", "check: func(context: context) -> list<problem>")?;
            }
            _ => {
                capabilities.crm = true;
                checker.function::<(&Context, &Identifier), (Result<Vec<Contact>, ConnectorError>,)>(
                    "look-up",
                    "look-up: func(context: context, identifier: identifier) -> result<list<contact>, error>",
                )?;
                checker.function::<(&Context, Option<&str>), (Result<ContactPage, ConnectorError>,)>(
                    "changes",
                    "changes: func(context: context, cursor: option<string>) -> result<contact-page, error>",
                )?;
            }
        }
    }
    if !described {
        return Err(ContractFault::NoDescription { found: list(exported) });
    }
    if capabilities.is_idle() {
        return Err(ContractFault::NoCapability);
    }
    Ok(capabilities)
}

/// Splits `sportello:connector/webhook@0.1.0`, checks version and name, and returns the name.
fn interface(direction: &'static str, full: &str, known: &[&'static str]) -> Result<&'static str, ContractFault> {
    let unknown = || ContractFault::Unknown {
        direction,
        interface: full.to_owned(),
        known: known.iter().map(|name| format!("{PACKAGE}{name}@{CONTRACT_VERSION}")).collect::<Vec<_>>().join(", "),
    };
    let (path, version) = full.split_once('@').ok_or_else(unknown)?;
    let found = Version::parse(version).map_err(|_| unknown())?;
    let expected = CONTRACT_VERSION;
    // Before 1.0 the minor number is the track, afterwards the major one.
    let same_track = found.major == expected.major && (found.major > 0 || found.minor == expected.minor);
    if !same_track || !found.pre.is_empty() {
        return Err(ContractFault::Version { direction, interface: path.to_owned(), found: Box::new(found), expected: Box::new(expected) });
    }
    let name = &path[PACKAGE.len()..];
    known.iter().find(|candidate| **candidate == name).copied().ok_or_else(unknown)
}

struct Checker<'a> {
    engine: &'a Engine,
    cx: component::__internal::InstanceType<'a>,
    interface: &'static str,
    functions: Vec<(String, ComponentFunc)>,
}

impl Checker<'_> {
    fn enter(&mut self, interface: &'static str, item: &ComponentItem) {
        self.interface = interface;
        self.functions.clear();
        if let ComponentItem::ComponentInstance(instance) = item {
            for (name, item) in instance.exports(self.engine) {
                if let ComponentItem::ComponentFunc(function) = item.ty {
                    self.functions.push((name.to_owned(), function));
                }
            }
        }
    }

    /// The same comparison wasmtime makes when it loads a typed function, made early so that the message can name both sides.
    fn function<Params, Return>(&self, function: &'static str, expected: &'static str) -> Result<(), ContractFault>
    where
        Params: component::ComponentNamedList + Lower,
        Return: component::ComponentNamedList + Lift,
    {
        let Some((_, there)) = self.functions.iter().find(|(name, _)| name == function) else {
            return Err(ContractFault::NoFunction {
                interface: self.interface,
                function,
                expected,
                found: list(self.functions.iter().map(|(name, _)| name.as_str())),
            });
        };
        there.typecheck::<Params, Return>(&self.cx).map_err(|error| ContractFault::Type {
            interface: self.interface,
            function,
            expected,
            found: declaration(function, there),
            detail: format!("{error:#}"),
        })
    }
}

/// A function as WIT would declare it, records and variants by their members' names.
fn declaration(name: &str, function: &ComponentFunc) -> String {
    let parameters: Vec<_> = function.params().map(|(name, parameter)| format!("{name}: {}", type_text(&parameter, 2))).collect();
    let mut text = format!("{name}: func({})", parameters.join(", "));
    if let Some(result) = function.results().next() {
        text.push_str(" -> ");
        text.push_str(&type_text(&result, 3));
    }
    text
}

fn type_text(found: &Type, depth: usize) -> String {
    let inner = |inner: &Type| if depth == 0 { "…".to_owned() } else { type_text(inner, depth - 1) };
    let optional = |inner: Option<Type>| inner.map_or_else(|| "_".to_owned(), |found| type_text(&found, depth.saturating_sub(1)));
    match found {
        Type::Bool => "bool".into(),
        Type::S8 => "s8".into(),
        Type::U8 => "u8".into(),
        Type::S16 => "s16".into(),
        Type::U16 => "u16".into(),
        Type::S32 => "s32".into(),
        Type::U32 => "u32".into(),
        Type::S64 => "s64".into(),
        Type::U64 => "u64".into(),
        Type::Float32 => "f32".into(),
        Type::Float64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::List(list) => format!("list<{}>", inner(&list.ty())),
        Type::Option(option) => format!("option<{}>", inner(&option.ty())),
        Type::Result(result) if depth > 0 => format!("result<{}, {}>", optional(result.ok()), optional(result.err())),
        Type::Tuple(tuple) => format!("tuple<{}>", tuple.types().map(|member| inner(&member)).collect::<Vec<_>>().join(", ")),
        Type::Record(record) => {
            format!("record {{ {} }}", record.fields().map(|field| field.name.to_owned()).collect::<Vec<_>>().join(", "))
        }
        Type::Variant(variant) => {
            format!("variant {{ {} }}", variant.cases().map(|case| case.name.to_owned()).collect::<Vec<_>>().join(", "))
        }
        Type::Enum(names) => format!("enum {{ {} }}", names.names().collect::<Vec<_>>().join(", ")),
        _ => "…".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_the_same_track_are_accepted_and_others_named_with_both_versions() {
        assert_eq!(interface("exports", "sportello:connector/poll@0.1.0", &EXPORTS).unwrap(), "poll");
        assert_eq!(interface("exports", "sportello:connector/poll@0.1.7", &EXPORTS).unwrap(), "poll");
        let newer = interface("exports", "sportello:connector/poll@0.2.0", &EXPORTS).unwrap_err().to_string();
        assert!(newer.contains("0.2.0") && newer.contains("0.1.0") && newer.contains("newer host"), "{newer}");
        let older = interface("exports", "sportello:connector/poll@0.0.9", &EXPORTS).unwrap_err().to_string();
        assert!(older.contains("newer contract"), "{older}");
    }

    #[test]
    fn an_unknown_interface_is_answered_with_those_that_are_known() {
        let message = interface("exports", "sportello:connector/pol@0.1.0", &EXPORTS).unwrap_err().to_string();
        assert!(message.contains("sportello:connector/pol@0.1.0") && message.contains("sportello:connector/poll@0.1.0"), "{message}");
    }
}
