// The part of libFuzzer that is meant to be called (https://llvm.org/docs/LibFuzzer.html, "Using libFuzzer as a
// library"). It comes with -sanitize=fuzzer and has no header of its own.
#ifndef CLIBFUZZER_H
#define CLIBFUZZER_H

#include <stddef.h>
#include <stdint.h>

typedef int (*dx_fuzz_callback)(const uint8_t *data, size_t size);

/// Runs libFuzzer with the command line of a fuzzer; `callback` is fed each case. Returns the exit code.
int LLVMFuzzerRunDriver(int *argc, char ***argv, dx_fuzz_callback callback);

#endif
