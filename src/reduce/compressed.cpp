// compressed.cpp: sums of gradients that a codec has made smaller, with error feedback.
//
// Each rank encodes its gradient plus its residual, which is what it has not sent so far:
//     v = gradient + residual,  code = encode(v),  residual = v - decode(code)
// So nothing of a gradient is lost; it only comes later. What travels is the code. Every rank
// gathers the codes of all ranks and adds what they stand for, in the order of the ranks. So all
// ranks have the same bits, with every MPI, and so have equal runs.
#include "base/clock.h"
#include "reduce/part_by_part.h"
#include "reduce/reducers.h"

namespace {

template <class C>
class CompressedReducer : public PartByPart {
  public:
    CompressedReducer(const Group& group, const C& codec, std::size_t parameters)
        : group_(group), codec_(codec), residual_(parameters) {}

    std::span<nn_real> residual() override { return residual_; }

  private:
    std::size_t sum(std::size_t first, std::span<nn_real> values) override {
        const std::size_t bytes = codec_.bytes(values.size());
        encode(std::span(residual_).subspan(first, values.size()), values, bytes);
        gather(bytes);
        const Span span(Work::compute);
        std::ranges::fill(values, nn_real{0});
        for (std::size_t r = 0; r < static_cast<std::size_t>(group_.size()); ++r)
            codec_.add(std::span(all_).subspan(r * bytes, bytes), 1, values);
        return bytes;
    }
    /// residual += values becomes a code, and what the code does not say stays in the residual.
    void encode(std::span<nn_real> residual, std::span<const nn_real> values, std::size_t bytes) {
        const Span span(Work::compute);
        for (std::size_t i = 0; i < values.size(); ++i) residual[i] = values[i] + residual[i];
        mine_.resize(bytes);
        codec_.encode(residual, mine_);
        codec_.add(mine_, -1, residual);
    }
    void gather(std::size_t bytes) {
        const auto ranks = static_cast<std::size_t>(group_.size());
        all_.resize(ranks * bytes);
        counts_.assign(ranks, static_cast<int>(bytes));
        group_.gather_everywhere(mine_, counts_, all_);
    }

    const Group& group_;
    C codec_;
    std::vector<nn_real> residual_;         ///< by the parts' places
    std::vector<std::uint8_t> mine_, all_;  ///< codes
    std::vector<int> counts_;               ///< bytes of each rank's code
};

}  // namespace

std::unique_ptr<Reducer> make_compressed_reducer(const Group& group, const Codec& codec,
                                                 std::size_t parameters) {
    return std::visit(
        [&](const auto& c) -> std::unique_ptr<Reducer> {
            using C = std::decay_t<decltype(c)>;
            if constexpr (std::is_same_v<C, std::monostate>)
                return make_mpi_reducer(group);
            else
                return std::make_unique<CompressedReducer<C>>(group, c, parameters);
        },
        codec);
}
