"""Replicas and sweeps: many ordinary runs of one scenario, in this process, on its cores, or on a cluster."""
