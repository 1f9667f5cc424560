//! The keys of signatures: ed25519, in the PEM files that OpenSSL reads and writes (PKCS #8 and SPKI).

#[cfg(feature = "audit-signature")]
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[cfg(feature = "audit-signature")]
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
#[cfg(feature = "audit-signature")]
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes};
#[cfg(feature = "audit-signature")]
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

#[cfg(feature = "audit-signature")]
use super::signature::SignatureLine;
#[cfg(feature = "audit-signature")]
use crate::store::files::{Files, SystemFiles};
#[cfg(feature = "audit-signature")]
use crate::template::Digest;

/// The bytes of a signature.
pub(super) const SIGNATURE_BYTES: usize = 64;
/// The largest file of a key that is read.
#[cfg(feature = "audit-signature")]
const KEY_BYTES_MAX: u64 = 16 * 1024;
/// The hexadecimal digits of the id of a key.
#[cfg(feature = "audit-signature")]
const ID_DIGITS: usize = 16;

/// The error of a key of signatures.
#[derive(Debug, thiserror::Error)]
#[error("the key {} cannot be used: {reason}", path.display())]
pub struct KeyError {
    /// The file.
    pub path: PathBuf,
    /// The reason, and what to do.
    pub reason: String,
}

/// A private key that signs records.
pub(crate) trait Sign: Send + std::fmt::Debug {
    /// Returns the id of the key.
    fn id(&self) -> &str;

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES];
}

/// Reads the private key with which records are signed.
#[cfg(not(feature = "audit-signature"))]
pub(crate) fn signer(path: &Path) -> Result<Box<dyn Sign>, KeyError> {
    Err(KeyError {
        path: path.to_owned(),
        reason: "this program was built without the feature `audit-signature`".into(),
    })
}

/// Reads the private key with which records are signed.
#[cfg(feature = "audit-signature")]
pub(crate) fn signer(path: &Path) -> Result<Box<dyn Sign>, KeyError> {
    let pem = read_pem(path)?;
    let key = SigningKey::from_pkcs8_pem(&pem).map_err(|error| {
        let reason = match pem.contains("PUBLIC KEY") {
            true => "it is a public key: name the private one".to_owned(),
            false => {
                format!("it is no private ed25519 key in PEM ({error}): make one with `hotplate audit key FILE`")
            }
        };
        refused(path, reason)
    })?;
    warn_if_readable_by_others(path);
    let id = id_of(&key.verifying_key());
    Ok(Box::new(PrivateKey { key, id }))
}

#[cfg(feature = "audit-signature")]
struct PrivateKey {
    key: SigningKey,
    id: String,
}

#[cfg(feature = "audit-signature")]
impl Sign for PrivateKey {
    fn id(&self) -> &str {
        &self.id
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.key.sign(message).to_bytes()
    }
}

#[cfg(feature = "audit-signature")]
impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A public key with which the signatures of a log are checked.
///
/// ```
/// use hotplate_actors::audit::{PublicKey, create_key};
///
/// let directory = tempfile::tempdir()?;
/// let created = create_key(&directory.path().join("audit.pem"))?;
/// let read = PublicKey::read(&directory.path().join("audit.pem.pub"))?;
/// assert_eq!(created.id(), read.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "audit-signature")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: String,
}

#[cfg(feature = "audit-signature")]
impl PublicKey {
    /// Reads a public key from a file in PEM.
    ///
    /// # Errors
    /// [`KeyError`] if the file cannot be read, or is no public ed25519 key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let pem = read_pem(path)?;
        let key = VerifyingKey::from_public_key_pem(&pem).map_err(|error| {
            let reason = match pem.contains("PRIVATE KEY") {
                true => "it is a private key: name the public one, which ends in `.pub`, and keep the private one \
                         where the log is written"
                    .to_owned(),
                false => format!("it is no public ed25519 key in PEM ({error})"),
            };
            refused(path, reason)
        })?;
        let id = id_of(&key);
        Ok(Self { key, id })
    }

    /// Returns the id of the key: 16 hexadecimal digits of its BLAKE3 digest, which each signature names.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn has_signed(&self, message: &[u8], line: &SignatureLine) -> bool {
        let signature = Signature::from_bytes(&line.signature);
        self.key.verify_strict(message, &signature).is_ok()
    }
}

/// Creates a key pair: the private key at `path`, which only its owner may read, and the public one beside it, at `path` with `.pub` added.
///
/// # Errors
/// [`KeyError`] if one of the files exists or cannot be written.
#[cfg(feature = "audit-signature")]
pub fn create_key(path: &Path) -> Result<PublicKey, KeyError> {
    let mut public_path = path.as_os_str().to_owned();
    public_path.push(".pub");
    let public_path = PathBuf::from(public_path);
    // Whatever has signed with an existing key could not be verified any more.
    for path in [path, &public_path] {
        if path.symlink_metadata().is_ok() {
            return Err(refused(path, "it exists: choose another name".into()));
        }
    }
    let mut secret_key = [0; 32];
    getrandom::fill(&mut secret_key).map_err(|error| refused(path, format!("no random bytes: {error}")))?;
    let public = SigningKey::from_bytes(&secret_key).verifying_key();
    // Without the public key in it, older versions of OpenSSL read the file too.
    let pair = KeypairBytes {
        secret_key,
        public_key: None,
    };
    let private_pem = pair
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| refused(path, error.to_string()))?;
    let public_pem = public.to_public_key_pem(LineEnding::LF);
    let public_pem = public_pem.map_err(|error| refused(&public_path, error.to_string()))?;
    let written = write_new(path, private_pem.as_bytes(), true);
    written.map_err(|error| refused(path, format!("it cannot be written: {error}")))?;
    let written = write_new(&public_path, public_pem.as_bytes(), false);
    written.map_err(|error| refused(&public_path, format!("it cannot be written: {error}")))?;
    let id = id_of(&public);
    Ok(PublicKey { key: public, id })
}

#[cfg(feature = "audit-signature")]
fn write_new(path: &Path, content: &[u8], is_private: bool) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if is_private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = is_private;
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(feature = "audit-signature")]
fn read_pem(path: &Path) -> Result<String, KeyError> {
    let bytes = SystemFiles.read(path, KEY_BYTES_MAX).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "it does not exist".to_owned(),
            _ => format!("it cannot be read: {error}"),
        };
        refused(path, reason)
    })?;
    String::from_utf8(bytes).map_err(|_| refused(path, "it is not text".into()))
}

#[cfg(feature = "audit-signature")]
fn warn_if_readable_by_others(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o004 != 0) {
            tracing::warn!(
                key = %path.display(),
                "every user of this machine can read the private key of the audit log: `chmod 600` it"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

#[cfg(feature = "audit-signature")]
fn id_of(key: &VerifyingKey) -> String {
    let mut id = format!("{:#}", Digest::of(key.as_bytes()));
    id.truncate(ID_DIGITS);
    id
}

#[cfg(feature = "audit-signature")]
fn refused(path: &Path, reason: String) -> KeyError {
    KeyError {
        path: path.to_owned(),
        reason,
    }
}
