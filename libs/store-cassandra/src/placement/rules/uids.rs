//! Which uids may still be handed out.

use foxhold_core::ServiceUid;
use foxhold_ports::Refusal;

use crate::placement::state::Placement;

/// From here on, nobody who knows the placement hands out a uid up to `through`.
///
/// # Errors
/// [`Refusal::UnknownService`]; [`Refusal::NoUid`] beyond the ceiling of the service.
pub(crate) fn reserve_uids(state: &Placement, through: ServiceUid) -> Result<Placement, Refusal> {
    let service = state.service.as_ref().ok_or(Refusal::UnknownService)?;
    if through.get() > service.uid_ceiling {
        return Err(Refusal::NoUid);
    }
    Ok(behind(state, through))
}

/// The same of uids that are on records from elsewhere already.
pub(crate) fn behind(state: &Placement, through: ServiceUid) -> Placement {
    Placement {
        uids_from: state.uids_from.max(through.get() + 1),
        ..state.clone()
    }
}
