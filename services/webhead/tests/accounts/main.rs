//! The accounts API in process: the router over in-memory adapters, driven as Firefox, our page and PyFxA drive it.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod device_commands;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod invitations;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod openid;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod pages;
mod passwords;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod signin;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod vectors;
