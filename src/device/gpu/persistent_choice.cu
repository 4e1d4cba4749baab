// persistent_choice.cu: whether a device's steps can go by the persistent kernel, asked before
// there is a replica on it.
#include "device/gpu/persistent.h"

std::string why_not_persistent(const ReplicaShape& shape, const CudaSettings& settings) try {
    return PersistentKernel::why_not(shape, settings, gpu_chip(settings.device));
} catch (const GpuUnavailable& why) {
    return why.what();  // whoever makes the replica says so again
}
