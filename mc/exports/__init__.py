"""A run in the formats of other programs: tables, trajectories, grids for ParaView, NWB for electrophysiology."""
