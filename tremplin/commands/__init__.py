"""The commands of ``tremplin``, one subject a file. Only here and in ``pipelines.flows`` are the parts composed."""
