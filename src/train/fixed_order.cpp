// fixed_order.cpp: keeps the sums of trees, sends them to the ranks that add them, and adds.
#include "train/fixed_order.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/clock.h"
#include "base/leaves.h"
#include "base/timeline.h"

namespace {

std::size_t total_of(const Replica& replica) {
    std::size_t total = 0;
    for (const Part& part : replica.parts()) total += part.count;
    return total;
}

/// The leaves of some samples that begin at a leaf.
Range leaves_in(Range samples) { return {samples.first / leaf_samples, leaves_of(samples.count)}; }

/// Part `number` of `parts` of the gradient.
Part share_of(std::size_t count, int number, int parts) {
    const auto at = [&](int p) {
        return count / static_cast<std::size_t>(parts) * static_cast<std::size_t>(p) +
               std::min(count % static_cast<std::size_t>(parts), static_cast<std::size_t>(p));
    };
    return {at(number), at(number + 1) - at(number)};
}

void add_to(std::span<nn_real> left, std::span<const nn_real> right) {
    std::ranges::transform(left, right, left.begin(), std::plus<>());
}

}  // namespace

FixedOrder::FixedOrder(const Comm& comm, Replica& replica, const FixedOrderWay& way)
    : comm_(comm),
      replica_(replica),
      way_(way),
      count_(total_of(replica)),
      trees_(static_cast<std::size_t>(comm.size() / way.ranks_together)),
      sum_(count_) {}

FixedOrder::TreeSum& FixedOrder::TreeSums::next(Range leaves, std::size_t count) {
    if (used == all.size()) all.emplace_back();
    TreeSum& sum = all[used++];
    sum.leaves = leaves;
    sum.values.resize(count);
    return sum;
}

void FixedOrder::add(const Batch& batch, const Slice& slice) {
    if (slice.is_first) {
        own_.used = others_.used = 0;
        for (auto& trees : trees_) trees.clear();
        samples_ = 0;
        leaves_ = leaves_of(batch.of);
        is_complete_ = false;
    }
    for (int r = 0; r < static_cast<int>(trees_.size()); ++r) {
        const bool is_own = r == comm_.rank() / way_.ranks_together;
        const Range samples =
            dealt_to_replica_of(r * way_.ranks_together, comm_.size(), batch.count, way_.dealing());
        const Range leaves = leaves_in({samples_ + samples.first, samples.count});
        auto& trees = trees_[static_cast<std::size_t>(r)];
        for_each_tree({0, leaves_}, leaves, [&](Range tree) {
            if (is_own) add_tree(tree, samples, samples_);
            trees.push_back(tree);
            while (trees.size() > 1 && are_halves(*(trees.end() - 2), trees.back(), leaves_)) {
                const int count = trees.back().count;
                trees.pop_back();
                trees.back().count += count;
                if (!is_own) continue;
                add_to(own_.from_end(2).values, own_.from_end(1).values);
                own_.from_end(2).leaves = trees.back();
                --own_.used;
            }
        });
    }
    samples_ += batch.count;
    if (slice.is_last) exchange();
}

/// The gradient of one tree of this replica, which has the samples `own` of the slice.
void FixedOrder::add_tree(Range leaves, Range own, int first_of_slice) {
    const int first = leaves.first * leaf_samples - first_of_slice - own.first;
    const int count = std::min(leaves.count * leaf_samples, own.count - first);
    TreeSum& to = own_.next(leaves, count_);
    replica_.leaf_sums()->backward_of({first, count}, [&](int part) {
        const Lent lent = replica_.lend(part);
        std::ranges::copy(lent.values, to.values.begin() + static_cast<std::ptrdiff_t>(lent.first));
    });
}

Sum FixedOrder::sum() {
    is_complete_ = false;
    return {0, count_, sum_.data()};
}

/// Each rank of the group gets its range of all trees' sums, adds them, and gives the result to
/// all.
void FixedOrder::exchange() {
    is_complete_ = true;
    if (way_.across == nullptr) {
        std::ranges::copy(add_all(0, count_), sum_.begin());
        return;
    }
    const Span span(Work::communication);
    const Traced traced("sum");
    const Group& group = *way_.across;
    const Part mine = share_of(count_, group.rank(), group.size());
    Messages messages(group);
    receive_trees(group, messages, mine);
    const std::span<nn_real> sum = std::span(sum_).subspan(mine.first, mine.count);
    std::ranges::copy(add_all(mine.first, mine.count), sum.begin());
    for (int r = 0; r < group.size(); ++r) {
        if (r == group.rank()) continue;
        const Part theirs = share_of(count_, r, group.size());
        messages.receive(std::span(sum_).subspan(theirs.first, theirs.count), r);
        messages.send(sum, r);
        bytes_ += sum.size_bytes();
    }
    messages.wait();
}

/// Sends each rank its range of this replica's trees, and receives `mine` of theirs.
void FixedOrder::receive_trees(const Group& group, Messages& messages, const Part& mine) {
    for (int r = 0; r < group.size(); ++r) {
        if (r == group.rank()) continue;
        const Part theirs = share_of(count_, r, group.size());
        for (const Range tree : trees_[static_cast<std::size_t>(r)])
            messages.receive(others_.next(tree, mine.count).values, r);
        for (std::size_t i = 0; i < own_.used; ++i) {
            const auto sent = std::span(own_.all[i].values).subspan(theirs.first, theirs.count);
            messages.send(sent, r);
            bytes_ += sent.size_bytes();
        }
    }
    messages.wait();
}

/// The sum of all trees in the range [first, first + count) of the gradient. It stands in the
/// memory of one of them.
std::span<nn_real> FixedOrder::add_all(std::size_t first, std::size_t count) {
    struct Addend {
        Range leaves;
        std::span<nn_real> values;
    };
    std::vector<Addend> trees;
    for (TreeSum& tree : std::span(own_.all).first(own_.used))
        trees.push_back({tree.leaves, std::span(tree.values).subspan(first, count)});
    for (TreeSum& tree : std::span(others_.all).first(others_.used))
        trees.push_back({tree.leaves, tree.values});
    std::ranges::sort(trees, {}, [](const Addend& tree) { return tree.leaves.first; });
    auto next = trees.begin();
    const auto add = [&](auto&& self, Range tree) -> std::span<nn_real> {
        if (next->leaves == tree) return (next++)->values;
        const auto [left, right] = halves_of(tree);
        const std::span<nn_real> sum = self(self, left);
        add_to(sum, self(self, right));
        return sum;
    };
    return add(add, {0, leaves_});
}

double sum_of_losses(const Comm& comm, std::span<const double> mine, std::span<const Batch> loads,
                     const Dealing& dealing, double so_far) {
    std::vector<std::size_t> at(static_cast<std::size_t>(comm.size()));  // samples, then places
    for (const Batch& load : loads)
        for (int r = 0; r < comm.size(); ++r)
            at[static_cast<std::size_t>(r)] +=
                static_cast<std::size_t>(dealt_to(r, comm.size(), load.count, dealing).count);
    std::vector<int> bytes;
    bytes.reserve(at.size());
    for (const std::size_t samples : at)
        bytes.push_back(static_cast<int>(samples * sizeof(double)));
    std::vector<double> all;
    std::size_t begin = 0;
    for (std::size_t& samples : at) begin += std::exchange(samples, begin);
    all.resize(begin);
    comm.all_ranks().gather_everywhere(
        {reinterpret_cast<const std::uint8_t*>(mine.data()), mine.size_bytes()}, bytes,
        {reinterpret_cast<std::uint8_t*>(all.data()), all.size() * sizeof(double)});
    std::vector<double> batch;
    for (const Batch& load : loads) {
        for (int r = 0; r < comm.size(); ++r) {
            const auto n =
                static_cast<std::size_t>(dealt_to(r, comm.size(), load.count, dealing).count);
            auto& from = at[static_cast<std::size_t>(r)];
            batch.insert(batch.end(), all.begin() + static_cast<std::ptrdiff_t>(from),
                         all.begin() + static_cast<std::ptrdiff_t>(from + n));
            from += n;
        }
        if (batch.size() < static_cast<std::size_t>(load.of)) continue;
        so_far += sum_in_leaves(batch);
        batch.clear();
    }
    return so_far;
}
