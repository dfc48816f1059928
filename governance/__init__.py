"""Who decided what, on which evidence: lineage, approvals, model cards."""
