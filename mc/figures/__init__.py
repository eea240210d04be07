"""Pictures of a recording; the only importer of matplotlib, by its object interface and never pyplot."""
