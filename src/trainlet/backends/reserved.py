"""Names that generated C must not use, and what uses them."""

from __future__ import annotations

_KEYWORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
char32_t class co_await co_return co_yield compl complex concept const const_cast consteval
constexpr constinit continue decltype default delete do double dynamic_cast else enum explicit
export extern false float for friend goto if imaginary inline int long mutable namespace new
noexcept noreturn not not_eq nullptr operator or or_eq private protected public register
reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast
struct switch template this thread_local throw true try typedef typeid typename typeof
typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq
"""
_TRAINER = """
arena context init k load logits loss lr offset predict quantize read rows rows_of_array save state
status step target training turn write
"""
_LIBRARY = """
alloca assert calloc environ eof errno exit free int8_t int16_t int32_t int64_t intptr_t main
malloc memcmp memcpy memmove memset offsetof printf ptrdiff_t putc puts realloc setjmp size_t
sprintf stderr stdin stdout strcpy strlen system uint8_t uint16_t uint32_t uint64_t uintptr_t
va_arg va_end va_list va_start
"""
_MACROS = """
arm avr bit bit_clear bit_is_clear bit_is_set bit_set bitclear bitread bitset bitwrite boolean
byte cli constrain cr degrees emit esp32 esp8266 far foreach forever highbyte huge i386 interface
interrupts isr linux lowbyte major makedev max mbed min minor mips near nointerrupts null pascal
pgm_p powerpc progmem radians random riscv round sbi cbi sei signals slots small sparc sq sun unix
vax word
"""

WORDS: dict[str, str] = {
    **dict.fromkeys(_MACROS.split(), "a macro of common compilers and headers"),
    **dict.fromkeys(_LIBRARY.split(), "a name of the C library"),
    **dict.fromkeys(_TRAINER.split(), "a name of the trainer itself"),
    **dict.fromkeys(_KEYWORDS.split(), "a keyword of C or C++"),
}
"""Each reserved word in lower case, and what it is."""

_HEADERS = """
assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
stdarg stdatomic stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string strings
tgmath threads time uchar unistd wchar wctype memory features endian alloca malloc sched pthread
semaphore cmsis_gcc cmsis_compiler core_cm0 core_cm0plus core_cm3 core_cm4 core_cm7 core_cm33
core_cm55 arm_acle arm_mve arm_neon arduino
"""
_DEVICES = [
    "aux",
    "con",
    "nul",
    "prn",
    *(f"{kind}{k}" for kind in ("com", "lpt") for k in range(10)),
]
_TARGETS = (
    "all clean depend edit_cache help install package preinstall rebuild_cache test zero_check"
)
_LIBRARIES = "c m dl gcc pthread rt stdc"
_HARNESS = "board call made_up read receive rows semihosting send skip startup take write"

PREFIXES: dict[str, str] = {
    **dict.fromkeys(_KEYWORDS.split(), "is a keyword of C or C++"),
    **dict.fromkeys(_HARNESS.split(), "is taken by the programs around the trainer"),
    **dict.fromkeys(_LIBRARIES.split(), "would give its library the name of a system library"),
    **dict.fromkeys(_TARGETS.split(), "is a target that every CMake project has"),
    **dict.fromkeys(_DEVICES, "is a device on Windows, and no file can have its name"),
    **dict.fromkeys(_HEADERS.split(), "would hide a header of the C library"),
    "main": "is the file and the function of the example",
}
"""Each prefix that is not allowed, and why."""
