"""What a user may say, and what it implies before a run.

schema holds the models, reading makes them from a TOML file, composition counts the ions. resolution and time_steps
say how finely a run resolves space and time, rest where it comes to rest, limits what it needs; advice judges.
"""
