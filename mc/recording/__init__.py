"""The result file: its layout, the recorder that writes it and the reader. The only importer of h5py."""

from mc.recording.recording import Recording

__all__ = ["Recording"]
