//! stub
use actix_web::web::ServiceConfig;
pub(super) struct Dashboard;
impl Dashboard {
    pub(super) fn start() -> Result<Self, hotplate_actors::StartError> {
        Ok(Self)
    }
}
pub(super) fn configure(_: &mut ServiceConfig) {}
