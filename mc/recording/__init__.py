"""The result file: its layout, the recorder that writes it and the reader."""
