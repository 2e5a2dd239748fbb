//! Rules about passwords and sessions over the in-memory store, called as the webhead calls them, with a store, a pool or a
//! client that fails at the worst moment.

#[cfg(test)]
mod change;
#[cfg(test)]
mod confirmation;
#[cfg(test)]
mod deletion;
#[cfg(test)]
mod disabled;
#[cfg(test)]
mod forgot;
#[cfg(test)]
mod lost_factor;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod otp;
#[cfg(test)]
mod reset;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod signup;
#[cfg(test)]
mod support;
