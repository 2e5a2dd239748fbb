//! In-memory adapters: the model the durable ones are compared with, and what fast tests run on.
