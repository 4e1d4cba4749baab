// residuals.cpp: messages between rank 0 and each other rank, one after the other, so that rank 0
// needs no second copy of all.
#include "train/residuals.h"

#include <algorithm>
#include <utility>

namespace {

std::string name_of_rank(int rank) { return "residual." + std::to_string(rank); }

}  // namespace

void gather_residuals(const Comm& comm, std::span<const nn_real> mine, const Layout& layout,
                      std::vector<NamedMoment>& arrays) {
    if (mine.empty()) return;
    Messages messages(comm.all_ranks());
    if (!comm.is_root()) {
        messages.send(mine, 0);
        messages.wait();
        return;
    }
    for (int rank = 0; rank < comm.size(); ++rank) {
        NamedMoment& array =
            arrays.emplace_back(NamedMoment{name_of_rank(rank), Parameters<nn_real>(layout)});
        if (rank == 0) {
            std::ranges::copy(mine, array.values.values.begin());
            continue;
        }
        messages.receive(array.values.values, rank);
        messages.wait();
    }
}

std::vector<Parameters<nn_real>> take_residuals(std::vector<NamedMoment>& arrays) {
    std::vector<Parameters<nn_real>> residuals;
    for (;;) {
        const auto found = std::ranges::find(
            arrays, name_of_rank(static_cast<int>(residuals.size())), &NamedMoment::name);
        if (found == arrays.end()) return residuals;
        residuals.push_back(std::move(found->values));
        arrays.erase(found);
    }
}

void hand_out_residuals(const Comm& comm, const std::vector<Parameters<nn_real>>& residuals,
                        std::span<nn_real> mine) {
    Messages messages(comm.all_ranks());
    if (!comm.is_root()) {
        messages.receive(mine, 0);
        messages.wait();
        return;
    }
    std::ranges::copy(residuals.front().values, mine.begin());
    for (int rank = 1; rank < comm.size(); ++rank) {
        messages.send(residuals[static_cast<std::size_t>(rank)].values, rank);
        messages.wait();
    }
}
