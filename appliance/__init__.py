"""The appliance: camera, lamp and screen around the pure heart.

The rules this package keeps:

* The lamp answers first, the page next, and both show the same signal.
* Red and green speak about a document; whatever is wrong with the unit is OUT.
* A Frame, a name and a birth date live in memory and nowhere else.

    vaxgate run                      # camera to lamp and page, by vaxgate.toml
    vaxgate demo                     # the same on a laptop, with a cast of invented travellers
"""
