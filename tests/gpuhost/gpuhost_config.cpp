// gpuhost_config.cpp: what kind of GPU the kernel runner is, by environment variables.
#include <array>
#include <charconv>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gpuhost.h"

namespace gpuhost {
namespace {
[[noreturn]] void refuse(const char* variable, const char* value, const char* expected) {
    std::fprintf(stderr, "gpuhost: %s is '%s'; set it to %s, or unset it\n", variable, value,
                 expected);
    std::exit(2);
}

std::size_t number_from(const char* variable, std::size_t otherwise, std::size_t most) {
    const char* text = std::getenv(variable);
    if (!text) return otherwise;
    std::size_t number = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, number);
    if (error != std::errc() || stop != end || number > most)
        refuse(variable, text, ("a whole number from 0 to " + std::to_string(most)).c_str());
    return number;
}

Order order_from_environment() {
    const char* text = std::getenv("GPUHOST_ORDER");
    const std::string order = text ? text : "forward";
    if (order == "forward") return Order::forward;
    if (order == "reverse") return Order::reverse;
    if (order == "random") return Order::random;
    refuse("GPUHOST_ORDER", text, "forward, reverse or random");
}

constexpr std::array capabilities = {70, 75, 80, 86, 89, 90, 100, 120};

int capability_from_environment(int otherwise) {
    const char* text = std::getenv("GPUHOST_CAPABILITY");
    if (!text) return otherwise;
    for (const int capability : capabilities)
        if (text == std::to_string(capability)) return capability;
    refuse("GPUHOST_CAPABILITY", text, "70, 75, 80, 86, 89, 90, 100 or 120");
}
}  // namespace

Config config_from_environment() {
    Config c;
    c.order = order_from_environment();
    c.seed = static_cast<unsigned>(number_from("GPUHOST_SEED", c.seed, UINT_MAX));
    c.devices =
        static_cast<int>(number_from("GPUHOST_DEVICES", static_cast<std::size_t>(c.devices), 64));
    c.memory = number_from("GPUHOST_MEMORY", c.memory, SIZE_MAX);
    c.capability = capability_from_environment(c.capability);
    c.uuid = static_cast<unsigned>(number_from("GPUHOST_UUID", c.uuid, UINT_MAX));
    c.hangs = number_from("GPUHOST_HANGS", 0, 1) == 1;
    c.count_error = static_cast<cudaError_t>(number_from("GPUHOST_COUNT_ERROR", 0, 999));
    c.start_error = static_cast<cudaError_t>(number_from("GPUHOST_START_ERROR", 0, 999));
    c.sick = static_cast<int>(number_from("GPUHOST_SICK", SIZE_MAX, 63));
    c.file_is_here = number_from("GPUHOST_FILE_IS_HERE", 0, 1) == 1;
    c.native = number_from("GPUHOST_NATIVE", 1, 1) == 1;
    return c;
}

Config& config() {
    static Config the_one = config_from_environment();
    return the_one;
}
}  // namespace gpuhost
