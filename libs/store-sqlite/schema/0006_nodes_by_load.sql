-- Nodes with a slot for a new user, in the order in which the choice takes them (tokenserver.md 9). Two ratios that are equal are the
-- same REAL; two that differ are different ones as long as capacities stay below 2^26, and ties after that.
CREATE INDEX nodes_by_load ON nodes (service, pool, CAST(current_load AS REAL) / capacity, available DESC, id)
    WHERE available > 0 AND current_load < capacity AND downed = 0 AND backoff = 0 AND unhealthy = 0;
