"""The shells: `vaxgate`, `vaxgate-verify`, `vaxgate-rules`.

The rules this package keeps:

* Results on stdout, talk on stderr; colour only on a terminal, and not when ``NO_COLOR`` is set.
* A command loads what it needs: verifying loads no camera, no lamp and no web server.

    vaxgate scan ticket.png --json
"""
