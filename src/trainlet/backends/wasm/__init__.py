"""A trainer as a WebAssembly module, with an ES module that browsers and Node import."""
