//! The suite every adapter of a port runs: the specification of the ports, as tests.
