// test_device_sums.cpp: that a sum of device memory is trusted only if all of it is right.
#include <functional>
#include <span>

#include "device/gpu/device_sums.h"
#include "tests/gpuhost/gpuhost_fixture.h"

namespace {

using Sum = std::function<void(std::span<nn_real>)>;

/// Of two ranks: each of the other's elements is 1 more.
void right_sum(std::span<nn_real> values) {
    for (nn_real& value : values) value += value + 1;
}
bool is_trusted(const Sum& sum) { return device_sums_are_right(0, 2, sum); }

TEST_F(GpuHost, ARightSumOfDeviceMemoryIsTrusted) {
    EXPECT_TRUE(is_trusted(right_sum));
    EXPECT_TRUE(device_sums_are_right(0, 1, [](std::span<nn_real>) {})) << "a rank alone";
}

TEST_F(GpuHost, ASumThatIsWrongAnywhereIsNotTrusted) {
    const std::vector<Sum> wrong = {
        [](std::span<nn_real>) {},  // as of one rank
        [](std::span<nn_real> values) { right_sum(values.first(values.size() - 1)); },
        [](std::span<nn_real> values) {  // small messages go another way
            if (values.size_bytes() > 64) right_sum(values);
        },
        [](std::span<nn_real> values) {  // as do large ones
            if (values.size_bytes() < 1 << 20) right_sum(values);
        }};
    for (std::size_t i = 0; i < wrong.size(); ++i) EXPECT_FALSE(is_trusted(wrong[i])) << i;
}

}  // namespace
