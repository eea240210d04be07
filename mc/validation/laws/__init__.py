"""The laws, one a file: each holds a `LAW`."""
