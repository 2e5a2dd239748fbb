//! Jobs and who runs them: `foxhold.dbwriter.v1` and `foxhold_ports::jobs`.

use foxhold_ports::jobs::{Job, Runner};

use super::{FieldError, array, field};
use crate::wire::dbwriter as pb;

/// A job that this program knows.
pub(crate) fn job(wire: i32) -> Result<Job, FieldError> {
    let known = match pb::Job::try_from(wire) {
        Ok(pb::Job::Purge) => Some(Job::Purge),
        Ok(pb::Job::NodeHealth) => Some(Job::NodeHealth),
        Ok(pb::Job::Unspecified) | Err(_) => None,
    };
    field("job", known)
}

/// A process.
pub(crate) fn runner(wire: &[u8]) -> Result<Runner, FieldError> {
    array("runner", wire).map(Runner)
}

impl From<Job> for pb::Job {
    fn from(job: Job) -> Self {
        match job {
            Job::Purge => Self::Purge,
            Job::NodeHealth => Self::NodeHealth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_survives_the_wire_and_no_other_is_known() {
        for known in Job::ALL {
            assert_eq!(job(pb::Job::from(*known).into()), Ok(*known));
        }
        for unknown in [-1, 0, 3] {
            assert_eq!(job(unknown), Err(FieldError::new("job")), "{unknown}");
        }
        assert_eq!(runner(&[7; 16]), Ok(Runner([7; 16])));
        assert_eq!(runner(&[7; 15]), Err(FieldError::new("runner")));
    }
}
