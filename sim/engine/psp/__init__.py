"""A stand-in payment provider in its own process: charges and refunds over HTTP, signed webhooks, and faults on demand.

It keeps everything in memory, so that after a restart it knows none of its earlier charges (404). All of its chance is
a hash of (seed, id, purpose): the same seed gives the same charge the same fate, in any order and at any speed.
"""
