"""From files to cases: ingest, audit, fingerprint, split, and demo cohorts."""
