"""An independent verdict about a session: one function a check, by line of evidence.

counters/  pulses sent, exposed, stored        screen/    film frames, flips, light    --+
clocks/    cameras, box, host, skew            file/      checksums, rows, ending        +--> verdict --> report/
pixels/    the sync LEDs' code                 pictures/  light, blur, flicker         --+
videos/    the same of plain video files
"""
