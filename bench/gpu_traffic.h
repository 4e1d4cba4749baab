// gpu_traffic.h: how many bytes the program has sent to the device.
#pragma once
#include <cstddef>

std::size_t uploaded_bytes();
