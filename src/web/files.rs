//! Files under `static/`, whenever that directory comes and goes.

use std::path::Path;
use std::str::FromStr;

use actix_files::{NamedFile, PathBufWrap};
use actix_web::{HttpRequest, HttpResponse};

/// The file that a request asks for with a path below `static/`, if there is one: ranges, content type and validators are
/// actix's work. Hidden files are none, and nothing above the directory is.
pub(super) async fn answer(request: &HttpRequest, directory: &Path) -> Option<HttpResponse> {
    let path = request.match_info().get("path")?.strip_prefix("static/")?;
    let path = PathBufWrap::from_str(path).ok()?;
    let file = NamedFile::open_async(directory.join(path)).await.ok()?;
    file.metadata().is_file().then(|| file.into_response(request))
}
