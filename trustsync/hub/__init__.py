"""The hub: gathers the lists of others, proves them, and publishes what a fleet of appliances installs.

It has a network and people who sign; nothing of it runs on an appliance.
"""
