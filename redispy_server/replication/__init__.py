"""Replication: the primary's side, the replica's side, and the identity of the data that both know."""
