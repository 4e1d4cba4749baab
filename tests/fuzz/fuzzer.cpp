// fuzzer.cpp: the door between libFuzzer and the targets. FUZZ_TARGET in the environment names the
// one to fuzz, so that one program serves all.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerInitialize(int*, char***);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {
const fuzz::Target* chosen = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    const char* const wanted = std::getenv("FUZZ_TARGET");
    for (const auto& target : fuzz::targets())
        if (wanted && std::string(wanted) == target.name) chosen = &target;
    if (!chosen) {
        std::fputs("FUZZ_TARGET is none of the targets of tests/fuzz\n", stderr);
        std::exit(2);
    }
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    chosen->judge({data, size});
    return 0;
}
