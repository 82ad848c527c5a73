//! The certificate authorities that are trusted: Mozilla's, and for private networks those the operator named too.
//!
//! An authority of the operator's own vouches for servers of the operator's own. Channels without the grant `private-network` do not trust
//! it, so that whoever holds its key cannot pose as a public platform and be sent its tokens.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};

use super::OutboundError;

/// The largest file of extra roots, in bytes. A root takes about 2 KB, all of Mozilla's some 200 KB.
pub const EXTRA_ROOTS_FILE_BYTES_MAX: usize = 1 << 20;

/// The roots of the process.
pub(super) struct Roots {
    public: RootCertStore,
    private: RootCertStore,
}

impl Roots {
    /// Mozilla's, and for private networks also every certificate of these PEM files.
    pub(super) fn read(extra: &[PathBuf]) -> Result<Self, OutboundError> {
        let public = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let mut private = public.clone();
        for file in extra {
            add(&mut private, file).map_err(|problem| OutboundError::ExtraRoots { file: file.clone(), problem })?;
        }
        Ok(Self { public, private })
    }

    /// Those a channel trusts with or without the grant `private-network`.
    pub(super) fn of(&self, allow_private_network: bool) -> RootCertStore {
        if allow_private_network { self.private.clone() } else { self.public.clone() }
    }
}

/// Adds all certificates of a file; the error says what is wrong with it.
fn add(store: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let mut pem = Vec::new();
    let reading = File::open(file).and_then(|file| file.take(EXTRA_ROOTS_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut pem));
    reading.map_err(|error| format!("it cannot be read: {error}"))?;
    if pem.len() > EXTRA_ROOTS_FILE_BYTES_MAX {
        return Err(format!("it has more than {EXTRA_ROOTS_FILE_BYTES_MAX} bytes: is it the right file?"));
    }
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        found += 1;
        let certificate = certificate.map_err(|error| format!("its certificate {found} is damaged: {}", damage(&error)))?;
        store.add(certificate).map_err(|error| format!("its certificate {found} cannot be read as one: {error}"))?;
    }
    if found == 0 {
        return Err("it holds no certificate: give a PEM file, with -----BEGIN CERTIFICATE----- in it".to_owned());
    }
    Ok(())
}

/// What is wrong with a part of a PEM file; the library's own words show lines as lists of numbers.
fn damage(error: &PemError) -> String {
    match error {
        PemError::MissingSectionEnd { end_marker } => format!("the line -----END {}----- is missing", String::from_utf8_lossy(end_marker)),
        PemError::IllegalSectionStart { line } => format!("the line {:?} begins nothing", String::from_utf8_lossy(line).trim_end()),
        other => other.to_string(),
    }
}
