// ring.cpp: sums in a ring, by hand. Each rank sends only to the next rank, and receives only from
// the one before.
//
// A part is cut into as many chunks as there are ranks. In the first p - 1 turns (reduce-scatter),
// the sums of the chunks travel round, and each rank adds its own values to the sum that arrives.
// In p - 1 more turns (all-gather), the complete sums travel round. So a rank sends
// 2 (p - 1) / p of the part, nearly the same for any number of ranks. Chunk c is
// ((v_c + v_(c+1)) + v_(c+2)) + ..., with the ranks taken modulo p. One rank computes it and the
// others get copies, so all ranks have the same bits, with every MPI.
#include "base/range.h"
#include "reduce/part_by_part.h"
#include "reduce/reducers.h"

namespace {

class RingReducer : public PartByPart {
  public:
    explicit RingReducer(const Group& group) : group_(group), messages_(group) {}

  private:
    std::size_t sum(std::size_t, std::span<nn_real> values) override {
        const int ranks = group_.size(), rank = group_.rank();
        std::size_t bytes = 0;
        for (int turn = 0; turn + 1 < ranks; ++turn) {
            const std::span<const nn_real> sent = chunk(values, rank - turn);
            const std::span<nn_real> own = chunk(values, rank - turn - 1);
            arrived_.resize(own.size());
            pass_on(sent, arrived_);
            bytes += sent.size_bytes();
            for (std::size_t i = 0; i < own.size(); ++i) own[i] = arrived_[i] + own[i];
        }
        // This rank has completed the chunk of its next rank.
        for (int turn = 0; turn + 1 < ranks; ++turn) {
            const std::span<const nn_real> sent = chunk(values, rank + 1 - turn);
            pass_on(sent, chunk(values, rank - turn));
            bytes += sent.size_bytes();
        }
        return bytes;
    }
    /// Chunk c modulo the number of ranks, with c at least minus that number.
    std::span<nn_real> chunk(std::span<nn_real> values, int c) const {
        const int ranks = group_.size();
        const Range range = part_of(static_cast<int>(values.size()), (c + ranks) % ranks, ranks);
        return values.subspan(static_cast<std::size_t>(range.first),
                              static_cast<std::size_t>(range.count));
    }
    /// Sends to the next rank what the rank before sends to this one.
    void pass_on(std::span<const nn_real> sent, std::span<nn_real> received) {
        const int ranks = group_.size(), rank = group_.rank();
        messages_.receive(received, (rank + ranks - 1) % ranks);
        messages_.send(sent, (rank + 1) % ranks);
        messages_.wait();
    }

    const Group& group_;
    Messages messages_;
    std::vector<nn_real> arrived_;  ///< a chunk's sum so far
};

}  // namespace

std::unique_ptr<Reducer> make_ring_reducer(const Group& group) {
    return std::make_unique<RingReducer>(group);
}
