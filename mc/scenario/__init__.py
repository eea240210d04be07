"""What a user may say, and what it implies before a run.

schema holds the models, reading makes them from a TOML file, composition counts the ions, advice judges.
"""
