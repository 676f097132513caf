"""The reader: from a frame's pixels to the texts of its symbols.

    passes       one pass of the ordinary reader, and what it says of a symbol that it cannot read
    live         what is tried on each frame of a camera, in which order, and when to stop
    stills       pictures of which no next frame waits, and several frames of one symbol
    mending      damaged symbols at work: over the frames of a camera, in a still picture, in several together
    restoring    a damaged symbol undone: equalised, and proven by its parity (NumPy)
    flattening   before that: the symbol laid flat and unbent
    finding      where a symbol is that no ordinary pass even sees
    qrgrid       a symbol as a square of modules, and the words that its bits belong to

The rules this package keeps:

* A text is what the ordinary reader reads, with every block's parity held; it is never a guess.
* Pixels stay in memory, and no longer than somebody works at them.
* What a text says is nobody's business here.

    reader = Reader()                            # of live; once for a camera
    reader(frame.luma).codes
    read_image(Path("ticket.png"))               # of stills
"""
