"""Whether an Avro file ends where it should: pyiceberg takes one that was cut off between two blocks for the whole."""

import io

_MAGIC, _MARK_BYTES, _SEVEN_BITS, _MORE = b"Obj\x01", 16, 0x7F, 0x80


def is_whole(content: bytes) -> bool:
    """Return whether the content ends with the mark that its header announces, as each block of it does.

    One that was cut off just behind a block is taken for whole; looking at each block would not tell it either.

    >>> is_whole(b"")
    False
    """
    file = io.BytesIO(content)
    try:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False
        _skip_header(file)
        return content.endswith(_exactly(file, _MARK_BYTES))
    except EOFError:
        return False


def _skip_header(file: io.BytesIO) -> None:
    while count := _long(file):
        if count < 0:
            _long(file)  # the bytes of the block
        for _ in range(2 * abs(count)):
            _exactly(file, _long(file))


def _long(file: io.BytesIO) -> int:
    """Return the next number: seven bits a byte, the lowest first, the sign in the last bit of all."""
    number = shift = 0
    while True:
        byte = _exactly(file, 1)[0]
        number |= (byte & _SEVEN_BITS) << shift
        if not byte & _MORE:
            return (number >> 1) ^ -(number & 1)
        shift += 7


def _exactly(file: io.BytesIO, size: int) -> bytes:
    found = file.read(size) if size >= 0 else b""
    if size < 0 or len(found) != size:
        raise EOFError
    return found
