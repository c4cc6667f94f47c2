"""Performance and fairness of clinical AI: tables and masks in, numbers with intervals out."""
