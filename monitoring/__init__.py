"""Phase 7 of CRISP-ML(Q), monitoring and maintenance: windows, drift, performance with late labels, the retraining decision."""
