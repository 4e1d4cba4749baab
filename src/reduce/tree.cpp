// tree.cpp: sums in a binomial tree, by hand: up to rank 0, and from there down again.
//
// In turn k, a rank whose number has bit k as its lowest bit sends its sum to the rank without that
// bit, which adds it to its own. Rank 0 then has the sum, and sends it down the same edges, the
// last one first. So a sum takes 2 log2(p) messages one after the other, where a ring takes
// 2 (p - 1), but each has the whole part: few large steps, for small gradients on many ranks. The
// order of the additions follows from the ranks' numbers, and all ranks get copies of rank 0's sum,
// so all have the same bits, with every MPI.
#include "reduce/part_by_part.h"
#include "reduce/reducers.h"

namespace {

class TreeReducer : public PartByPart {
  public:
    explicit TreeReducer(const Group& group) : group_(group), messages_(group) {}

  private:
    std::size_t sum(std::size_t, std::span<nn_real> values) override {
        const int ranks = group_.size(), rank = group_.rank();
        std::size_t messages = 0;
        arrived_.resize(values.size());
        int bit = 1;
        for (; bit < ranks && (rank & bit) == 0; bit *= 2) {
            if (rank + bit >= ranks) continue;
            receive(arrived_, rank + bit);
            for (std::size_t i = 0; i < values.size(); ++i) values[i] += arrived_[i];
        }
        if (rank != 0) {
            send(values, rank - bit);
            ++messages;
            receive(values, rank - bit);
        }
        for (bit /= 2; bit > 0; bit /= 2) {
            if (rank + bit >= ranks) continue;
            send(values, rank + bit);
            ++messages;
        }
        return messages * values.size_bytes();
    }
    void send(std::span<const nn_real> values, int to) {
        messages_.send(values, to);
        messages_.wait();
    }
    void receive(std::span<nn_real> values, int from) {
        messages_.receive(values, from);
        messages_.wait();
    }

    const Group& group_;
    Messages messages_;
    std::vector<nn_real> arrived_;  ///< another rank's sum
};

}  // namespace

std::unique_ptr<Reducer> make_tree_reducer(const Group& group) {
    return std::make_unique<TreeReducer>(group);
}
