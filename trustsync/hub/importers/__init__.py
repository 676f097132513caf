"""One module for each kind of upstream list; which there are stands in :mod:`trustsync.hub.sources`."""
