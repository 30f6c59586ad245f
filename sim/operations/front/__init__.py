"""The front: checkout, payment and confirmation as one re-entrant group of kernels over arrays."""
