// device_sums.cu: see device_sums.h.
#include "device/gpu/device_sums.h"

#include <cstddef>
#include <vector>

#include "device/gpu/kernels.h"
#include "device/gpu/owned.h"
#include "device/replica.h"

namespace {

/// Element i of a rank's array: a whole number. Sums over up to 16,000 ranks are below 2^24, so
/// they are exact in any order.
nn_real element(int rank, std::size_t i) {
    return static_cast<nn_real>(rank % 16 + 1 + static_cast<int>(i % 1000));
}
nn_real sum_of_elements(int ranks, std::size_t i) {
    nn_real sum = 0;
    for (int rank = 0; rank < ranks; ++rank) sum += element(rank, i);
    return sum;
}

}  // namespace

bool device_starts(int device) {
    try {
        gpu_chip(device);
        return true;
    } catch (const GpuUnavailable&) {
        return false;
    }
}

bool device_sums_are_right(int rank, int ranks,
                           const std::function<void(std::span<nn_real>)>& sum) {
    const GpuStream stream;
    bool right = true;
    for (const std::size_t bytes : {std::size_t{64}, std::size_t{8} << 10, std::size_t{1} << 20}) {
        std::vector<nn_real> values(bytes / sizeof(nn_real));
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = element(rank, i);
        const DeviceArray<nn_real> on_device(values, stream.get());
        sum({on_device.data(), on_device.size()});
        values = on_device.download(stream.get());
        for (std::size_t i = 0; i < values.size(); ++i)
            right = right && values[i] == sum_of_elements(ranks, i);
    }
    return right;
}
