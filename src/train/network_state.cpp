// network_state.cpp: what is read from a trainer between two epochs, and written to it: parameters,
// moments of the optimizer, and figures of what was sent.
//
// Checkpoints, a resume and the footer need it; a step does not, so it is not in
// neural_network.cpp.
#include <algorithm>

#include "neural_network.h"

double DataParallelNeuralNetwork::bytes_a_step() {
    const double updates = comm_.sum(static_cast<double>(updates_));
    const std::size_t bytes = (techniques_.reducer ? techniques_.reducer->bytes_given() : 0) +
                              (fixed_order_ ? fixed_order_->bytes_given() : 0) +
                              techniques_.strategy->bytes_given();
    return updates == 0 ? 0 : comm_.sum(static_cast<double>(bytes)) / updates;
}

void DataParallelNeuralNetwork::restart(Parameters<nn_real> parameters, Moments moments) {
    comm_.broadcast(parameters.values);
    replica_->write(parameters.values);
    moments.resize(static_cast<std::size_t>(replica_->shape().moments),
                   Parameters<nn_real>(layout_));
    for (std::size_t m = 0; m < moments.size(); ++m) {
        comm_.broadcast(moments[m].values);
        replica_->write_moment(static_cast<int>(m), moments[m].values);
    }
    for (const auto kept : {residual(), velocity()}) std::ranges::fill(kept, nn_real{0});
}

Moments DataParallelNeuralNetwork::moments() {
    Moments result(static_cast<std::size_t>(replica_->shape().moments),
                   Parameters<nn_real>(layout_));
    for (std::size_t m = 0; m < result.size(); ++m)
        replica_->read_moment(static_cast<int>(m), result[m].values);
    return result;
}

std::span<nn_real> DataParallelNeuralNetwork::residual() {
    return techniques_.reducer ? techniques_.reducer->residual() : std::span<nn_real>{};
}

Parameters<nn_real> DataParallelNeuralNetwork::parameters() {
    Parameters<nn_real> result(layout_);
    replica_->read(result.values);
    return result;
}
