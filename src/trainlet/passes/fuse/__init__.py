"""Operations that are joined, bit for bit the same: updates, functions of bytes, and loops."""
