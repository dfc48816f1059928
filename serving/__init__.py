"""The model server: verified releases behind HTTP. It reads releases, its settings and the store, nothing else."""
