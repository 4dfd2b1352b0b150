"""What the commands share about the terminal."""


def printable(text: str) -> str:
    """Foreign text without the control characters that could steer a terminal; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
