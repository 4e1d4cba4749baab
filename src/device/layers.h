// layers.h: the one walk over the layers, for every device.
//
// A device has four primitives. hidden(l) and output() compute activations; output() also computes
// the output's delta. delta(l) computes a hidden layer's delta from the one above it. gradient(l)
// computes dW_l and db_l. A primitive may be empty if another one has done its work already.
//
// All deltas come before all gradients. So threads wait for each other only once, and an update may
// follow its gradient at once, because no delta needs the old W_l any more.
#pragma once
#include "model/parameters.h"

template <class Device>
void forward_layers(const Layout& layout, Device&& device) {
    for (int l = 1; l < layout.layers(); ++l) device.hidden(l);
    device.output();
}

template <class Device>
void backward_deltas(const Layout& layout, Device&& device) {
    for (int l = layout.layers() - 1; l >= 1; --l) device.delta(l);
}

template <class Device>
void backward_gradients(const Layout& layout, Device&& device) {
    for (int l = layout.layers(); l >= 1; --l) device.gradient(l);
}
