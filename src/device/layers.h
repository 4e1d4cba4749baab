// layers.h: the one walk over the layers, for every device.
//
// A device brings four primitives: hidden(l) and output() make activations, output() the output's
// delta too; delta(l) makes a hidden layer's delta of the one above it; gradient(l) makes dW_l and
// db_l. A primitive may be empty where another one has done its work already.
//
// All deltas come before all gradients: no delta needs the memory of a gradient, so threads wait
// for each other once, and an update may follow its gradient at once, for W_l is not read any more.
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
