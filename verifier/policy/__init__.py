"""Rules as data: bundles say what is asked of a certificate, and from when to when."""
